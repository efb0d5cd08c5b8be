package fusefs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// attr translates metadata.
func (f *FS) attr(st *unix.Statx_t, a *fuse.Attr) {
	f.mu.Lock()
	a.Ino = f.inodeNumber(devOf(st), st.Ino)
	f.mu.Unlock()
	a.Size, a.Blocks = st.Size, st.Blocks
	a.Atime, a.Atimensec = uint64(st.Atime.Sec), st.Atime.Nsec
	a.Mtime, a.Mtimensec = uint64(st.Mtime.Sec), st.Mtime.Nsec
	a.Ctime, a.Ctimensec = uint64(st.Ctime.Sec), st.Ctime.Nsec
	a.Mode, a.Nlink = uint32(st.Mode), st.Nlink
	a.Uid, a.Gid = f.opts.owners.shownUID(st.Uid), f.opts.owners.shownGID(st.Gid)
	a.Rdev = encodeDev(st.Rdev_major, st.Rdev_minor)
	a.Blksize = st.Blksize
}

// encodeDev returns a device number as Linux's new_encode_dev() does.
func encodeDev(major, minor uint32) uint32 {
	return minor&0xff | major<<8 | (minor&^0xff)<<12
}

// SetAttr changes metadata, all in one round trip.
func (f *FS) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.used()
	defer f.changed()
	var st unix.Statx_t
	err := f.setAttr(in, &st)
	if err != nil {
		return f.status(err)
	}
	out.AttrValid = forever
	f.attr(&st, &out.Attr)
	return fuse.OK
}

func (f *FS) setAttr(in *fuse.SetAttrIn, st *unix.Statx_t) error {
	uid, gid, err := f.opts.owners.storedBoth(in)
	if err != nil {
		return err
	}
	f.names.RLock()
	defer f.names.RUnlock()
	p, err := f.at(in.NodeId, "")
	if err != nil {
		return err
	}
	defer f.leave(p)
	c := f.v.NewChain()
	if size, ok := in.GetSize(); ok {
		if err := f.truncate(c, in, p, int64(size)); err != nil {
			return err
		}
	}
	if uid != -1 || gid != -1 {
		c.Fchownat(p.fd, p.path, uid, gid, p.flags)
	}
	if mode, ok := in.GetMode(); ok {
		c.Fchmodat2(p.fd, p.path, mode, p.flags)
	}
	if in.Valid&(fuse.FATTR_ATIME|fuse.FATTR_MTIME) != 0 {
		c.UtimesNanoAt(p.fd, p.path, []unix.Timespec{
			timeOf(in.Valid, fuse.FATTR_ATIME, fuse.FATTR_ATIME_NOW, in.Atime, in.Atimensec),
			timeOf(in.Valid, fuse.FATTR_MTIME, fuse.FATTR_MTIME_NOW, in.Mtime, in.Mtimensec),
		}, p.flags)
	}
	c.Statx(p.fd, p.path, p.flags, allStat, st)
	return c.Run()
}

// timeOf returns a time for utimensat(2).
func timeOf(valid, set, now uint32, sec uint64, nsec uint32) unix.Timespec {
	switch {
	case valid&set == 0:
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	case valid&now != 0:
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	}
	return unix.Timespec{Sec: int64(sec), Nsec: int64(nsec)}
}

// truncate adds the change of a file's size to a chain.
func (f *FS) truncate(c *lkl.Chain, in *fuse.SetAttrIn, p place, size int64) error {
	fh, _ := in.GetFh()
	if in.Valid&fuse.FATTR_KILL_SUIDGID != 0 {
		if err := f.dropPrivileges(in.NodeId, in.Gid, p.fd, p.path, p.flags); err != nil {
			return err
		}
	}
	if h := f.file(fh); h != nil {
		c.Ftruncate(h.fd, size)
		return nil
	}
	if p.flags&unix.AT_EMPTY_PATH != 0 {
		fd, err := f.reopen(p.fd, unix.O_WRONLY)
		if err != nil {
			return err
		}
		defer f.v.CloseFd(fd)
		return f.v.Ftruncate(fd, size)
	}
	open := c.Openat(p.fd, p.path, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	c.Ftruncate(open.Fd(), size)
	c.Close(open.Fd())
	return nil
}

// dropPrivileges clears the set-user-ID bit and the set-group-ID bit of a regular file, as
// the kernel does when somebody writes to it who has no privileges: the image's kernel thinks
// that all is written by root. Where nobody of the group can execute the file, who is in the group
// (gid, that of the caller as the host has it) leaves the second bit.
func (f *FS) dropPrivileges(id uint64, gid uint32, fd int, path string, flags int) error {
	var st unix.Statx_t
	if err := f.v.Statx(fd, path, flags, unix.STATX_TYPE|unix.STATX_MODE|unix.STATX_GID, &st); err != nil {
		return err
	}
	drop := uint32(st.Mode) & unix.S_ISUID
	if st.Mode&unix.S_IXGRP != 0 || gid != f.opts.owners.shownGID(st.Gid) {
		drop |= uint32(st.Mode) & unix.S_ISGID
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	return f.clearMode(id, fd, path, flags, uint32(st.Mode), drop)
}

// clearMode takes bits away from a mode, by a request that is about something else. Linux expects
// that, and nevertheless goes on to answer with the mode that it knows.
func (f *FS) clearMode(id uint64, fd int, path string, flags int, mode, bits uint32) error {
	if mode &= 0o7777; mode&bits == 0 {
		return nil
	}
	c := f.v.NewChain()
	c.Fchmodat2(fd, path, mode&^bits, flags)
	if err := c.Run(); err != nil {
		return err
	}
	// Without a range it is about metadata alone, and waits for nothing. An error means that the
	// host does not know the file.
	_ = f.server.InodeNotify(id, -1, 0)
	return nil
}
