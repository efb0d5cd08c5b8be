package guestfs

import (
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// What a daemon says of an optional group.
const (
	groupAvailable = iota
	groupMissing
	groupUnknown
)

func (g *Guestfs) group(name string) (state int, err error) {
	err = g.call(rpc.ProcInternalFeatureAvailable, &rpc.InternalFeatureAvailableArgs{Group: name},
		func(c *xdr.Codec) { c.Int(&state) })
	return state, err
}

func (g *Guestfs) available(groups []string) error {
	for _, name := range groups {
		state, err := g.group(name)
		switch {
		case err != nil:
			return err
		case state == groupMissing:
			return errorf(syscall.ENOTSUP, "feature '%s' is not available", name)
		case state != groupAvailable:
			return errorf(0, "unknown group: %s", name)
		}
	}
	return nil
}

func (g *Guestfs) featureAvailable(groups []string) (bool, error) {
	for _, name := range groups {
		state, err := g.group(name)
		switch {
		case err != nil:
			return false, err
		case state == groupMissing:
			return false, nil
		case state != groupAvailable:
			return false, errorf(0, "unknown group: %s", name)
		}
	}
	return true, nil
}

// version returns the version of libguestfs whose functions there are.
func (g *Guestfs) version() (*Version, error) {
	return &Version{Major: 1, Minor: 48, Release: 6, Extra: "unboot"}, nil
}
