package guestfs

import (
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// The answers of a daemon about an optional group.
const (
	groupAvailable = iota
	groupMissing
	groupUnknown
)

// missingGroup returns the first of some optional groups that is not available, or "".
// It is an error if no daemon has ever had such a group.
func (g *Guestfs) missingGroup(groups []string) (string, error) {
	for _, name := range groups {
		state, err := query(g, rpc.ProcInternalFeatureAvailable, &rpc.InternalFeatureAvailableArgs{Group: name}, (*xdr.Codec).Int)
		switch {
		case err != nil:
			return "", err
		case state == groupMissing:
			return name, nil
		case state != groupAvailable:
			return "", errorf(0, "unknown group: %s", name)
		}
	}
	return "", nil
}

func (g *Guestfs) available(groups []string) error {
	missing, err := g.missingGroup(groups)
	if err == nil && missing != "" {
		err = errorf(syscall.ENOTSUP, "feature '%s' is not available", missing)
	}
	return err
}

func (g *Guestfs) featureAvailable(groups []string) (bool, error) {
	missing, err := g.missingGroup(groups)
	return err == nil && missing == "", err
}

// version returns the version of libguestfs whose functions there are.
func (g *Guestfs) version() (*Version, error) {
	return &Version{Major: 1, Minor: 48, Release: 6, Extra: "unboot"}, nil
}
