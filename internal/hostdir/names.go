package hostdir

import (
	"golang.org/x/sys/unix"
)

// mkdir makes a directory.
func (s *session) mkdir(d *decoder, _ uint16) error {
	number, name, mode, gid := d.u32(), d.str(), d.u32(), d.u32()
	mode = unix.S_IFDIR | mode&0o7777
	return s.make(d, number, name, mode, gid, func(dir int) error { return unix.Mkdirat(dir, name, mode&0o7777) })
}

// symlink makes a symbolic link.
func (s *session) symlink(d *decoder, _ uint16) error {
	number, name, target, gid := d.u32(), d.str(), d.str(), d.u32()
	return s.make(d, number, name, unix.S_IFLNK|0o777, gid, func(dir int) error { return unix.Symlinkat(target, dir, name) })
}

// mknod makes a regular file, a FIFO or a socket.
func (s *session) mknod(d *decoder, _ uint16) error {
	number, name, mode, _, _, gid := d.u32(), d.str(), d.u32(), d.u32(), d.u32(), d.u32()
	switch mode & unix.S_IFMT {
	case 0:
		mode |= unix.S_IFREG
	case unix.S_IFREG, unix.S_IFIFO, unix.S_IFSOCK:
	default:
		return unix.EPERM
	}
	mode &= unix.S_IFMT | 0o7777
	if privileged(mode) {
		return unix.EPERM
	}
	return s.make(d, number, name, mode, gid, func(dir int) error { return unix.Mknodat(dir, name, mode, 0) })
}

// make makes a file by f in the directory of a fid.
func (s *session) make(d *decoder, number uint32, name string, mode, gid uint32, f func(dir int) error) error {
	at, err := s.fid(d, number)
	if err != nil {
		return err
	}
	dir, err := s.place(at, name)
	if err != nil {
		return err
	}
	if err := again(func() error { return f(dir) }); err != nil {
		return err
	}
	st, err := s.made(dir, name, mode, at.uid, gid)
	if err != nil {
		return err
	}
	s.e.qid(qidOf(st))
	return nil
}

// link gives a file another name.
func (s *session) link(d *decoder, _ uint16) error {
	at, number, name := d.u32(), d.u32(), d.str()
	to, err := s.fid(d, at)
	if err != nil {
		return err
	}
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	// The second of two descriptors may close the first: one is kept here.
	fd, err := s.change(f)
	if err != nil {
		return err
	}
	if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		return err
	}
	defer unix.Close(fd)
	dir, err := s.place(to, name)
	if err != nil {
		return err
	}
	return again(func() error {
		return unix.Linkat(unix.AT_FDCWD, procPath(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
	})
}

// unlinkat removes a name.
func (s *session) unlinkat(d *decoder, _ uint16) error {
	number, name, flags := d.u32(), d.str(), d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if flags&^unix.AT_REMOVEDIR != 0 {
		return unix.EINVAL
	}
	return s.unlink(f, name, int(flags))
}

func (s *session) unlink(f *fid, name string, flags int) error {
	if _, err := s.place(f, name); err != nil {
		return err
	}
	s.t.hold(f.n, name)
	dir, err := s.descriptor(f)
	if err != nil {
		return err
	}
	if err := again(func() error { return unix.Unlinkat(dir, name, flags) }); err != nil {
		return err
	}
	s.t.gone(f.n, name)
	return nil
}

// remove removes the file of a fid, and ends the fid even if that fails.
func (s *session) remove(d *decoder, _ uint16) error {
	number := d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	defer s.drop(number, f)
	dir, err := parentOf(f)
	if err != nil {
		return err
	}
	flags := 0
	if f.n.id.kind == unix.S_IFDIR {
		flags = unix.AT_REMOVEDIR
	}
	return s.unlink(dir, f.n.name, flags)
}

// parentOf returns a fid of the directory that a file lies in, which is in no table.
func parentOf(f *fid) (*fid, error) {
	switch {
	case f.xattr != nil:
		return nil, unix.EINVAL
	case f.n.parent == nil:
		return nil, unix.ESTALE
	}
	return &fid{n: f.n.parent, uid: f.uid}, nil
}

// rename renames the file of a fid.
func (s *session) rename(d *decoder, _ uint16) error {
	number, at, name := d.u32(), d.u32(), d.str()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	to, err := s.fid(d, at)
	if err != nil {
		return err
	}
	from, err := parentOf(f)
	if err != nil {
		return err
	}
	return s.move(from, f.n.name, to, name)
}

// renameat renames a file by names.
func (s *session) renameat(d *decoder, _ uint16) error {
	from, name, to, as := d.u32(), d.str(), d.u32(), d.str()
	f, err := s.fid(d, from)
	if err != nil {
		return err
	}
	t, err := s.fid(d, to)
	if err != nil {
		return err
	}
	return s.move(f, name, t, as)
}

func (s *session) move(from *fid, name string, to *fid, as string) error {
	if _, err := s.place(to, as); err != nil {
		return err
	}
	s.t.hold(to.n, as)
	old, err := s.place(from, name)
	if err != nil {
		return err
	}
	// The second of two descriptors may close the first: one is kept here.
	if old, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 3); err != nil {
		return err
	}
	defer unix.Close(old)
	dir, err := s.descriptor(to)
	if err != nil {
		return err
	}
	if err := again(func() error { return unix.Renameat(old, name, dir, as) }); err != nil {
		return err
	}
	s.t.moved(from.n, name, to.n, as)
	return nil
}
