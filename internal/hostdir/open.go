package hostdir

import (
	"math"

	"golang.org/x/sys/unix"
)

// Flags of open(2) as the protocol has them: those of most processors.
const (
	openTrunc  = 0o1000
	openAppend = 0o2000
	openDsync  = 0o10000
	openDir    = 0o200000
	openExcl   = 0o200
	openSync   = 0o4000000
)

// hostFlags returns the flags of open(2) for those of a client that matter to a file that
// there is. openCreate and others have been dealt with, or are the client's own business.
func (d *Dir) hostFlags(flags uint32) int {
	f := int(flags & unix.O_ACCMODE)
	if flags&openTrunc != 0 {
		f |= unix.O_TRUNC
	}
	// Where the size of files is limited, the client's offset is what can be checked.
	if flags&openAppend != 0 && d.maxSize == math.MaxInt64 {
		f |= unix.O_APPEND
	}
	if flags&openDsync != 0 {
		f |= unix.O_DSYNC
	}
	if flags&openSync != 0 {
		f |= unix.O_SYNC
	}
	return f
}

// lopen opens a fid.
func (s *session) lopen(d *decoder, _ uint16) error {
	number, flags := d.u32(), d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if f.file != nil || f.xattr != nil {
		return unix.EINVAL
	}
	fd, err := s.t.descriptor(f.n)
	if err != nil {
		return err
	}
	file, st, err := s.open(fd, f.n, flags)
	if err != nil {
		return err
	}
	f.file = file
	s.e.qid(qidOf(st))
	s.e.u32(0)
	return nil
}

// open opens a file by a descriptor of O_PATH.
func (s *session) open(path int, n *node, flags uint32) (*openFile, *unix.Stat_t, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstat(path, &st) }); err != nil {
		return nil, nil, err
	}
	access, mode := flags&unix.O_ACCMODE, st.Mode&unix.S_IFMT
	writes := access != unix.O_RDONLY || flags&openTrunc != 0
	switch {
	case access == unix.O_ACCMODE:
		return nil, nil, unix.EINVAL
	case n.closed:
		return nil, nil, unix.EACCES
	case mode == unix.S_IFDIR && writes:
		return nil, nil, unix.EISDIR
	case mode == unix.S_IFREG && flags&openDir != 0:
		return nil, nil, unix.ENOTDIR
	case mode == unix.S_IFLNK:
		return nil, nil, unix.ELOOP
	case mode != unix.S_IFDIR && mode != unix.S_IFREG:
		return nil, nil, unix.ENXIO
	case writes && s.d.o.ReadOnly:
		return nil, nil, unix.EROFS
	case writes && privileged(st.Mode):
		return nil, nil, unix.EPERM
	}
	if err := reserve(); err != nil {
		return nil, nil, err
	}
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Open(procPath(path), s.d.hostFlags(flags)|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		opened.Add(-1)
		return nil, nil, err
	}
	return newOpenFile(fd, int(access), mode == unix.S_IFDIR), &st, nil
}

// privileged reports whether a file gives who runs it the rights of its owner or group, so
// that a guest must not say what it does.
func privileged(mode uint32) bool {
	return mode&unix.S_IFMT == unix.S_IFREG && (mode&unix.S_ISUID != 0 || mode&(unix.S_ISGID|0o010) == unix.S_ISGID|0o010)
}

// made gives a file that was just made the owner and the mode that the client wants, or
// removes it again.
func (s *session) made(dir int, name string, mode uint32, uid, gid uint32) (*unix.Stat_t, error) {
	fd, st, err := openPath(dir, name)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if st.Mode&unix.S_IFMT != mode&unix.S_IFMT || mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink != 1 {
		return nil, unix.ESTALE // somebody on the host has put another one in its place
	}
	if st.Uid != s.d.own.uid {
		return st, nil // as on vfat: it has the owner and the mode of its file system
	}
	err = s.d.give(fd, st, uid, gid)
	if err == nil && mode&unix.S_IFMT != unix.S_IFLNK && st.Mode&0o7777 != mode&0o7777 {
		// This program's umask is not the guest's. Not all file systems have modes.
		err = again(func() error { return unix.Chmod(procPath(fd), mode&0o7777) })
		if err == unix.EPERM || err == unix.EOPNOTSUPP {
			err = nil
		}
	}
	if err != nil {
		flags := 0
		if mode&unix.S_IFMT == unix.S_IFDIR {
			flags = unix.AT_REMOVEDIR
		}
		unix.Unlinkat(dir, name, flags)
		return nil, err
	}
	return st, again(func() error { return unix.Fstat(fd, st) })
}

// lcreate makes a regular file in the directory of a fid, which then stands for that file,
// opened.
func (s *session) lcreate(d *decoder, _ uint16) error {
	number, name, flags, mode, gid := d.u32(), d.str(), d.u32(), d.u32(), d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if f.file != nil || f.xattr != nil {
		return unix.EINVAL
	}
	dir, err := s.place(f, name)
	if err != nil {
		return err
	}
	mode = unix.S_IFREG | mode&0o7777
	if privileged(mode) {
		return unix.EPERM
	}
	err = again(func() error { return unix.Mknodat(dir, name, mode, 0) })
	switch {
	case err == nil:
		if _, err := s.made(dir, name, mode, f.uid, gid); err != nil {
			return err
		}
	case err != unix.EEXIST || flags&openExcl != 0:
		return err
	}
	n, _, err := s.t.lookup(f.n, name)
	if err != nil {
		return err
	}
	path, err := s.t.descriptor(n)
	if err != nil {
		s.t.release(n)
		return err
	}
	file, st, err := s.open(path, n, flags)
	if err != nil {
		s.t.release(n)
		return err
	}
	s.t.release(f.n)
	f.n, f.file = n, file
	s.e.qid(qidOf(st))
	s.e.u32(0)
	return nil
}
