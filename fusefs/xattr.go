package fusefs

import (
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// onXattrs runs a call on the attributes of a file, which is found by a path in a view, or by a
// descriptor if it has no name.
func (f *FS) onXattrs(id uint64, byPath func(v *lkl.View, path string) error, byFd func(fd int) error) error {
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(id, "")
	if err != nil {
		return err
	}
	defer f.leave(p)
	switch {
	case p.flags&unix.AT_EMPTY_PATH != 0:
		fd, err := f.reopen(p.fd, unix.O_RDONLY)
		if err != nil {
			return err
		}
		defer f.v.CloseFd(fd)
		return byFd(fd)
	case p.fd != unix.AT_FDCWD:
		// There are no calls that take a directory, so it is the root for once.
		return byPath(f.v.Kernel().Chroot(p.fd), "/"+p.path)
	}
	return byPath(f.v, p.path)
}

// GetXAttr answers with the value of an attribute.
func (f *FS) GetXAttr(_ <-chan struct{}, in *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	f.used()
	if f.noXattrs {
		return 0, fuse.ENOSYS // it is not asked for again
	}
	n := 0
	err := f.onXattrs(in.NodeId, func(v *lkl.View, path string) (err error) {
		n, err = v.Lgetxattr(path, attr, dest)
		return err
	}, func(fd int) (err error) {
		n, err = f.v.Fgetxattr(fd, attr, dest)
		return err
	})
	return uint32(max(n, 0)), f.status(err)
}

// ListXAttr answers with the names of a file's attributes.
func (f *FS) ListXAttr(_ <-chan struct{}, in *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	f.used()
	n := 0
	err := f.onXattrs(in.NodeId, func(v *lkl.View, path string) (err error) {
		n, err = v.Llistxattr(path, dest)
		return err
	}, func(fd int) (err error) {
		n, err = f.v.Flistxattr(fd, dest)
		return err
	})
	return uint32(max(n, 0)), f.status(err)
}

// SetXAttr sets an attribute.
func (f *FS) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, attr string, data []byte) fuse.Status {
	f.used()
	defer f.changed()
	err := f.onXattrs(in.NodeId, func(v *lkl.View, path string) error {
		return v.Lsetxattr(path, attr, data, int(in.Flags))
	}, func(fd int) error {
		return f.v.Fsetxattr(fd, attr, data, int(in.Flags))
	})
	if err == nil && in.SetXAttrFlags&fuse.SETXATTR_ACL_KILL_SGID != 0 {
		err = f.clearSetGroupID(in.NodeId)
	}
	return f.status(err)
}

// clearSetGroupID does what the kernel does when somebody changes an access control list who is not
// in the file's group.
func (f *FS) clearSetGroupID(id uint64) error {
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(id, "")
	if err != nil {
		return err
	}
	defer f.leave(p)
	var st unix.Statx_t
	if err := f.v.Statx(p.fd, p.path, p.flags, unix.STATX_MODE, &st); err != nil {
		return err
	}
	return f.clearMode(id, p.fd, p.path, p.flags, uint32(st.Mode), unix.S_ISGID)
}

// RemoveXAttr removes an attribute.
func (f *FS) RemoveXAttr(_ <-chan struct{}, in *fuse.InHeader, attr string) fuse.Status {
	f.used()
	defer f.changed()
	return f.status(f.onXattrs(in.NodeId, func(v *lkl.View, path string) error {
		return v.Lremovexattr(path, attr)
	}, func(fd int) error {
		return f.v.Fremovexattr(fd, attr)
	}))
}

// isACL reports whether an attribute is an access control list.
func isACL(attr string) bool { return strings.HasPrefix(attr, "system.posix_acl_") }
