package server

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// mdLevels are the levels that md_create takes.
var mdLevels = []string{"linear", "raid0", "0", "stripe", "raid1", "1", "mirror", "raid4", "4", "raid5", "5", "raid6", "6", "raid10", "10"}

// MdCreate makes an array of devices. mdadm(8) writes it and lets go of it, as the image
// assembles what there is of arrays.
func (s *Server) MdCreate(ctx context.Context, a *rpc.MdCreateArgs) error {
	args, err := mdCreateArgs(a)
	if err != nil {
		return err
	}
	if _, _, err := s.runProgram(ctx, program{name: "mdadm", args: args}); err != nil {
		return err
	}
	node := a.Name
	if !strings.HasPrefix(node, "/") {
		node = "/dev/md/" + node
	}
	_, _, stop := s.runProgram(ctx, program{name: "mdadm", args: []string{"--stop", node}})
	if err := s.rescan(); err != nil {
		return err
	}
	return stop
}

// mdCreateArgs returns the arguments of mdadm(8).
func mdCreateArgs(a *rpc.MdCreateArgs) ([]string, error) {
	missing := uint64(a.Missingbitmap.Or(0))
	level := a.Level.Or("raid1")
	if !slices.Contains(mdLevels, level) {
		return nil, errorf("%s: unknown level of RAID", level)
	}
	if len(a.Devices) == 0 {
		return nil, errorf("no devices")
	}
	if a.Name == "" || a.Name[0] == '-' {
		return nil, errorf("%s: not a name of an array", a.Name)
	}
	all := len(a.Devices) + bits.OnesCount64(missing)
	spare := a.Spare.Or(0)
	if spare < 0 || spare > all {
		return nil, errorf("number of spares must not be negative, or more than there are devices")
	}
	active := a.Nrdevices.Or(all - spare)
	switch {
	case active < 2:
		return nil, errorf("number of devices must be at least 2")
	case active+spare != all:
		return nil, errorf("devices, and bits of missingbitmap, are %d, but nrdevices and spare are %d", all, active+spare)
	}
	args := []string{"--create", "--run", "--level", level, "--raid-devices", fmt.Sprint(active)}
	if level == "raid5" || level == "5" || level == "raid4" || level == "4" {
		// Parity is computed, and no spare rebuilt in place of a disk that was not lost.
		args = append(args, "--force")
	}
	if spare > 0 {
		args = append(args, "--spare-devices", fmt.Sprint(spare))
	}
	if a.Chunk.Set {
		if a.Chunk.Value <= 0 || a.Chunk.Value%1024 != 0 {
			return nil, errorf("chunk size must be a multiple of 1024 bytes")
		}
		args = append(args, "--chunk", fmt.Sprint(a.Chunk.Value/1024))
	}
	args = append(args, a.Name)
	devices := a.Devices
	for i := range all {
		if missing>>i&1 != 0 || len(devices) == 0 {
			args = append(args, "missing")
			continue
		}
		args = append(args, devices[0])
		devices = devices[1:]
	}
	return append(args, devices...), nil
}
