package server

import (
	"context"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// LuksUuid returns the UUID in the header of a LUKS device. It needs no key, unlike all
// that reads further.
func (s *Server) LuksUuid(ctx context.Context, a *rpc.LuksUuidArgs) (string, error) {
	info, err := s.probe(a.Device)
	if err != nil {
		return "", err
	}
	if info.Type != "crypto_LUKS" {
		// The daemon passes on what cryptsetup(8) says.
		return "", errorf("Device %s is not a valid LUKS device.", a.Device)
	}
	return info.UUID, nil
}
