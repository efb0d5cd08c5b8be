package lkl

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// An Identity is whose calls those of a [View] are: the user and group IDs of
// credentials(7), each the real, the effective, the saved and the file system's
// ID at once. Only user 0 has capabilities, and that one has all of them.
type Identity struct {
	UID, GID uint32
	// Groups are the supplementary groups, at most 32.
	Groups []uint32
	// Umask is what is taken from the modes of new files, as by umask(2). Like
	// there, a default ACL of the directory is applied in its place.
	Umask uint32
}

// As returns a View of the same directory whose calls are made with an identity:
// its rights decide, new files belong to it, and what only root may do fails with
// unix.EPERM. It may be used beside v, at the same time. Descriptors are the
// kernel's, and no View's own: what one has opened, another can use.
//
// The error is unix.EINVAL for an ID of 0xffffffff, which stands for none, and for
// more than 32 groups.
func (v *View) As(id Identity) (*View, error) {
	as, err := id.abi()
	if err != nil {
		return nil, err
	}
	return &View{k: v.k, root: v.root, as: as, of: v}, nil
}

// abi returns the identity as the kernel takes it.
func (id *Identity) abi() (*abiIdentity, error) {
	as := &abiIdentity{Uid: id.UID, Gid: id.GID, Umask: id.Umask & 0o777, Ngroups: uint32(len(id.Groups))}
	if copy(as.Groups[:], id.Groups) < len(id.Groups) {
		return nil, fmt.Errorf("lkl: %d supplementary groups: %w", len(id.Groups), unix.EINVAL)
	}
	for _, n := range append([]uint32{id.UID, id.GID}, id.Groups...) {
		if n == 1<<32-1 {
			return nil, fmt.Errorf("lkl: no user or group has the ID %d: %w", n, unix.EINVAL)
		}
	}
	return as, nil
}
