package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/hosttool"
)

// Tune2fs changes parameters of an ext2, ext3 or ext4.
func (s *Server) Tune2fs(ctx context.Context, a *rpc.Tune2fsArgs) error {
	var args []string
	if a.Force.Or(false) {
		args = append(args, "-f")
	}
	number := func(option, name string, set bool, n, low, high int64) error {
		if !set {
			return nil
		}
		if n < low || n > high {
			return errorf("%s value out of range", name)
		}
		args = append(args, option, fmt.Sprint(n))
		return nil
	}
	for _, err := range []error{
		number("-c", "maxmountcount", a.Maxmountcount.Set, int64(a.Maxmountcount.Value), -1, 1<<15),
		number("-C", "mountcount", a.Mountcount.Set, int64(a.Mountcount.Value), 0, 1<<16-1),
		number("-g", "group", a.Group.Set, a.Group.Value, 0, 1<<32-1),
		number("-m", "reservedblockspercentage", a.Reservedblockspercentage.Set, int64(a.Reservedblockspercentage.Value), 0, 100),
		number("-r", "reservedblockscount", a.Reservedblockscount.Set, a.Reservedblockscount.Value, 0, 1<<62),
		number("-u", "user", a.User.Set, a.User.Value, 0, 1<<32-1),
	} {
		if err != nil {
			return err
		}
	}
	if a.Errorbehavior.Set {
		switch a.Errorbehavior.Value {
		case "continue", "remount-ro", "panic":
		default:
			return errorf("invalid errorbehavior parameter")
		}
		args = append(args, "-e", a.Errorbehavior.Value)
	}
	if a.Intervalbetweenchecks.Set {
		n := a.Intervalbetweenchecks.Value
		if n < 0 {
			return errorf("intervalbetweenchecks value out of range")
		}
		args = append(args, "-i", fmt.Sprint(n, "s"))
	}
	if a.Lastmounteddirectory.Set {
		args = append(args, "-M", a.Lastmounteddirectory.Value)
	}
	return s.useTool(ctx, hosttool.Changes, a.Device, nil, "tune2fs", args...)
}

// Tune2fsL returns what is in the superblock of an ext2, ext3 or ext4.
func (s *Server) Tune2fsL(ctx context.Context, a *rpc.Tune2fsLArgs) ([]rpc.Pair, error) {
	out, err := s.onDevice(ctx, hosttool.Reads, a.Device, nil, "tune2fs", "-l", hosttool.Arg(0))
	if err != nil {
		return nil, ofDevice(err, a.Device)
	}
	return parseTune2fs(out), nil
}

// parseTune2fs returns the pairs of "tune2fs -l". Its first line names the program.
func parseTune2fs(out string) []rpc.Pair {
	list := []rpc.Pair{}
	for line := range strings.Lines(out) {
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		if value == "<none>" || value == "<not available>" {
			value = ""
		}
		list = append(list, rpc.Pair{Key: strings.TrimSpace(key), Value: value})
	}
	return list
}
