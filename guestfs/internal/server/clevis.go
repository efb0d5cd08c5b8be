package server

import (
	"context"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// ClevisLuksUnlock opens an encrypted device with a key that clevis(1) gets for it, as a rule
// from a server in the network.
func (s *Server) ClevisLuksUnlock(ctx context.Context, a *rpc.ClevisLuksUnlockArgs) error {
	if err := needTools("clevis", "clevis-luks-pass"); err != nil {
		return err
	}
	list, _, err := s.runProgram(ctx, program{name: "clevis", args: []string{"luks", "list", "-d", a.Device}})
	if err != nil {
		return ofDeviceText(err, a.Device)
	}
	first := errorf("%s: no key of clevis is bound to it", a.Device)
	tried := false
	for line := range strings.Lines(list) {
		slot, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		key, _, err := s.runProgram(ctx, program{name: "clevis", args: []string{"luks", "pass", "-d", a.Device, "-s", slot}})
		if err == nil {
			err = s.CryptsetupOpen(ctx, &rpc.CryptsetupOpenArgs{Device: a.Device, Key: strings.TrimSuffix(key, "\n"), Mapname: a.Mapname})
		}
		if err == nil {
			return nil
		}
		if !tried {
			first, tried = ofDeviceText(err, a.Device), true
		}
	}
	return first
}
