package hostdir

import (
	"bytes"
	"strings"

	"golang.org/x/sys/unix"
)

// maxXattr is the largest value, and the longest list of names, that Linux has.
const maxXattr = 64 << 10

// An xattr is an extended attribute, or the list of their names, that is read or written as
// if it were a file.
type xattr struct {
	name  string
	value []byte
	set   bool // it is being written
	size  int  // of what is to be written
	flags int
}

// attribute says what may be done with an attribute: what means something to the host's kernel is
// not written, and what means something only there not read.
func (o Options) attribute(name string) (read, write bool) {
	switch {
	case strings.HasPrefix(name, "user."):
		return true, true
	case name == "system.posix_acl_access" || name == "system.posix_acl_default":
		// They have owners in them.
		return o.Owners == AsHost, o.Owners == AsHost
	case name == "security.capability":
		return true, false
	}
	return false, false
}

// xattrwalk makes a fid of an extended attribute, or of the list of their names.
func (s *session) xattrwalk(d *decoder, _ uint16) error {
	number, fresh, name := d.u32(), d.u32(), d.str()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if f.xattr != nil || number == fresh || strings.IndexByte(name, 0) >= 0 {
		return unix.EINVAL
	}
	fd, err := s.descriptor(f)
	if err != nil {
		return err
	}
	var value []byte
	if name == "" {
		if value, err = s.listxattr(fd); err != nil {
			return err
		}
	} else {
		if read, _ := s.d.o.attribute(name); !read {
			return unix.ENODATA
		}
		value, err = xattrBytes(func(p []byte) (int, error) { return unix.Getxattr(procPath(fd), name, p) })
		if err != nil {
			return err
		}
	}
	f.n.refs++
	if err := s.add(fresh, f.n, f.uid); err != nil {
		s.t.release(f.n)
		return err
	}
	x := s.fids[fresh]
	if err := s.grow(x, len(value)); err != nil {
		s.drop(fresh, x)
		return err
	}
	x.xattr = &xattr{name: name, value: value}
	s.e.u64(uint64(len(value)))
	return nil
}

// xattrBytes returns what a call of getxattr(2) or listxattr(2) gives.
func xattrBytes(f func(p []byte) (int, error)) ([]byte, error) {
	for {
		n, err := f(nil)
		if err != nil {
			return nil, err
		}
		if n > maxXattr {
			return nil, unix.E2BIG
		}
		// It may have grown, and 0 bytes ask for the size.
		p := make([]byte, n+1)
		n, err = f(p)
		if err == unix.ERANGE {
			continue
		}
		if err != nil {
			return nil, err
		}
		return p[:n:n], nil
	}
}

// listxattr returns the names that may be read, each with a NUL.
func (s *session) listxattr(fd int) ([]byte, error) {
	all, err := xattrBytes(func(p []byte) (int, error) { return unix.Listxattr(procPath(fd), p) })
	if err != nil {
		return nil, err
	}
	var list []byte
	for name := range bytes.SplitAfterSeq(all, []byte{0}) {
		if read, _ := s.d.o.attribute(strings.TrimSuffix(string(name), "\x00")); read {
			list = append(list, name...)
		}
	}
	return list, nil
}

// xattrcreate makes a fid stand for an attribute of its file that will be written to it.
func (s *session) xattrcreate(d *decoder, _ uint16) error {
	number, name, size, flags := d.u32(), d.str(), d.u64(), d.u32()
	f, err := s.fid(d, number)
	if err != nil {
		return err
	}
	if f.xattr != nil || f.file != nil || name == "" || strings.IndexByte(name, 0) >= 0 {
		return unix.EINVAL
	}
	if size > maxXattr {
		return unix.E2BIG
	}
	if _, err := s.change(f); err != nil {
		return err
	}
	if _, write := s.d.o.attribute(name); !write {
		return unix.EPERM
	}
	if err := s.grow(f, int(size)); err != nil {
		return err
	}
	f.xattr = &xattr{name: name, set: true, size: int(size), flags: int(flags)}
	return nil
}

func (s *session) readXattr(f *fid, off uint64, want int) error {
	value := f.xattr.value
	if f.xattr.set {
		return unix.EBADF
	}
	value = value[min(off, uint64(len(value))):]
	n := copy(s.e.room(want), value)
	s.e.filled(n)
	return nil
}

// writeXattr takes a piece of a value, which comes in order.
func (s *session) writeXattr(f *fid, off uint64, data []byte) error {
	x := f.xattr
	switch {
	case !x.set:
		return unix.EBADF
	case off != uint64(len(x.value)):
		return unix.EINVAL
	case len(x.value)+len(data) > x.size:
		return unix.ENOSPC
	}
	x.value = append(x.value, data...)
	s.e.u32(uint32(len(data)))
	return nil
}

// setxattr sets an attribute of which all has been written. Nothing, instead of something that
// is there, removes it: the protocol has no other way.
func (s *session) setxattr(f *fid) error {
	x := f.xattr
	if len(x.value) != x.size {
		return unix.EINVAL
	}
	fd, err := s.change(f)
	if err != nil {
		return err
	}
	if x.size == 0 && x.flags == unix.XATTR_REPLACE {
		return again(func() error { return unix.Removexattr(procPath(fd), x.name) })
	}
	return again(func() error { return unix.Setxattr(procPath(fd), x.name, x.value, x.flags) })
}
