package fusefs

import (
	"errors"
	"io"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// fullDisk turns the error of a write that makes no progress into what the kernel would have
// said, had it been asked once more.
func fullDisk(err error) error {
	if errors.Is(err, io.ErrShortWrite) {
		return unix.ENOSPC
	}
	return err
}

// make makes a file by a call that do adds to a chain, gives it to who asked, and answers with
// it. If the result of the call is a descriptor, as do says, that is stored in fd.
//
// Preconditions: names is held.
func (f *FS) make(in *fuse.InHeader, umask uint32, name string, out *fuse.EntryOut, do func(c *lkl.Chain, p place) (lkl.Link, bool), fd *int) error {
	uid, gid, err := f.opts.owners.creator(&in.Caller)
	if err != nil {
		return err
	}
	p, err := f.at(in.NodeId, name)
	if err != nil {
		return err
	}
	defer f.leave(p)
	// As root with the group of who asks: the kernel knows when the directory's counts
	// instead. The user is set afterwards, since only root may do everything that the host
	// has found to be allowed.
	v, err := f.v.As(lkl.Identity{GID: gid, Umask: umask})
	if err != nil {
		return err
	}
	var st unix.Statx_t
	c := v.NewChain()
	link, opens := do(c, p)
	if opens {
		if uid != 0 {
			c.Fchown(link.Fd(), int(uid), -1)
		}
		c.Statx(link.Fd(), "", unix.AT_EMPTY_PATH, allStat, &st)
	} else {
		if uid != 0 {
			c.Fchownat(p.fd, p.path, int(uid), -1, unix.AT_SYMLINK_NOFOLLOW)
		}
		c.Statx(p.fd, p.path, unix.AT_SYMLINK_NOFOLLOW, allStat, &st)
	}
	err = c.Run()
	result, linkErr := c.Result(link)
	if err == nil {
		err = f.entry(in.NodeId, name, &st, out)
	}
	switch {
	case linkErr != nil || !opens:
	case err != nil:
		f.v.CloseFd(result)
	default:
		*fd = result
	}
	return err
}

// made answers a request to make a file that is not opened, by a call that do adds to a chain.
func (f *FS) made(in *fuse.InHeader, umask uint32, name string, out *fuse.EntryOut, do func(c *lkl.Chain, p place) lkl.Link) fuse.Status {
	f.used()
	defer f.changed()
	f.names.RLock()
	defer f.names.RUnlock()
	return f.status(f.make(in, umask, name, out, func(c *lkl.Chain, p place) (lkl.Link, bool) {
		return do(c, p), false
	}, nil))
}

// Mknod makes a file of any type.
func (f *FS) Mknod(_ <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.made(&in.InHeader, in.Umask, name, out, func(c *lkl.Chain, p place) lkl.Link {
		return c.Mknodat(p.fd, p.path, in.Mode, int(in.Rdev))
	})
}

// Mkdir makes a directory.
func (f *FS) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.made(&in.InHeader, in.Umask, name, out, func(c *lkl.Chain, p place) lkl.Link {
		return c.Mkdirat(p.fd, p.path, in.Mode)
	})
}

// Symlink makes a symbolic link.
func (f *FS) Symlink(_ <-chan struct{}, in *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return f.made(in, 0, name, out, func(c *lkl.Chain, p place) lkl.Link {
		return c.Symlinkat(target, p.fd, p.path)
	})
}

// Link gives a file one more name.
func (f *FS) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	f.used()
	defer f.changed()
	f.names.Lock()
	defer f.names.Unlock()
	old, err := f.at(in.Oldnodeid, "")
	if err != nil {
		return f.status(err)
	}
	defer f.leave(old)
	p, err := f.at(in.NodeId, name)
	if err != nil {
		return f.status(err)
	}
	defer f.leave(p)
	if err := f.v.Linkat(old.fd, old.path, p.fd, p.path, old.flags&unix.AT_EMPTY_PATH); err != nil {
		return f.status(err)
	}
	f.mu.Lock()
	if n := f.byID[in.Oldnodeid]; n != nil && f.byKey[n.key] == nil {
		f.byKey[n.key] = n // one of O_TMPFILE
	}
	f.mu.Unlock()
	return f.status(f.lookup(in.NodeId, name, out))
}

// Readlink answers with the target of a symbolic link.
func (f *FS) Readlink(_ <-chan struct{}, in *fuse.InHeader) ([]byte, fuse.Status) {
	f.used()
	if f.readOnly {
		if target, ok := f.small(in.NodeId, unix.PathMax, true); ok {
			return target, fuse.OK
		}
	}
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(in.NodeId, "")
	if err != nil {
		return nil, f.status(err)
	}
	defer f.leave(p)
	// An empty path is a descriptor of the link itself, as readlinkat(2) takes it.
	target, err := f.v.Readlink(p.fd, p.path)
	return []byte(target), f.status(err)
}

// Unlink removes a name of a file that is not a directory.
func (f *FS) Unlink(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.status(f.remove(in.NodeId, name, 0))
}

// Rmdir removes a directory.
func (f *FS) Rmdir(_ <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return f.status(f.remove(in.NodeId, name, unix.AT_REMOVEDIR))
}

// pinFlags open what is about to lose its name.
const pinFlags = unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC

func (f *FS) remove(dir uint64, name string, flags int) error {
	f.used()
	defer f.changed()
	// What is removed is freed by the kernel when it is closed: others need not wait for that.
	var idle []int
	defer func() { closeAll(f.v, idle) }()
	f.names.Lock()
	defer f.names.Unlock()
	p, err := f.at(dir, name)
	if err != nil {
		return err
	}
	defer f.leave(p)
	var before, after unix.Statx_t
	c := f.v.NewChain()
	open := c.Openat(p.fd, p.path, pinFlags, 0)
	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, allStat, &before)
	c.Unlinkat(p.fd, p.path, flags)
	c.Statx(open.Fd(), "", unix.AT_EMPTY_PATH, unix.STATX_NLINK, &after)
	err = c.Run()
	fd, openErr := c.Result(open)
	if openErr != nil {
		return err
	}
	if err != nil {
		idle = append(idle, fd)
		return err
	}
	idle = append(idle, f.lost(dir, name, &before, &after, fd)...)
	return nil
}

// Rename renames, exchanges, or leaves a whiteout.
func (f *FS) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldname, newname string) fuse.Status {
	return f.status(f.rename(in, oldname, newname))
}

func (f *FS) rename(in *fuse.RenameIn, oldname, newname string) error {
	f.used()
	defer f.changed()
	var idle []int
	defer func() { closeAll(f.v, idle) }()
	f.names.Lock()
	defer f.names.Unlock()
	from, err := f.at(in.NodeId, oldname)
	if err != nil {
		return err
	}
	defer f.leave(from)
	to, err := f.at(in.Newdir, newname)
	if err != nil {
		return err
	}
	defer f.leave(to)
	var src, dst, after unix.Statx_t
	if err := f.v.Statx(from.fd, from.path, from.flags, allStat, &src); err != nil {
		return err
	}
	// What is there already, and will have lost a name.
	fd, err := f.v.Openat(to.fd, to.path, pinFlags, 0)
	if err == nil {
		idle = append(idle, fd)
		err = f.v.Fstatx(fd, allStat, &dst)
	}
	there := err == nil
	if err != nil && err != unix.ENOENT {
		return err
	}
	// Before, a rename that takes a name for the same as itself is one of it alone.
	same := there && src.Ino == dst.Ino && devOf(&src) == devOf(&dst)
	if err := f.v.Renameat2(from.fd, from.path, to.fd, to.path, uint(in.Flags)); err != nil {
		return err
	}
	switch {
	case there && !same && in.Flags&unix.RENAME_EXCHANGE != 0:
		f.moved(in.Newdir, newname, in.NodeId, oldname, &dst)
	case there && !same:
		if err := f.v.Fstatx(fd, unix.STATX_NLINK, &after); err != nil {
			return err
		}
		idle = f.lost(in.Newdir, newname, &dst, &after, fd)
	}
	f.moved(in.NodeId, oldname, in.Newdir, newname, &src)
	return nil
}
