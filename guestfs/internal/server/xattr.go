package server

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// xattrMax is XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h.
const xattrMax = 64 << 10

// sized makes a call that answers ERANGE if the memory is too small.
func sized(call func([]byte) (int, error)) ([]byte, error) {
	for size := 1 << 10; ; size = xattrMax {
		buf := make([]byte, size)
		n, err := call(buf)
		if err == nil {
			return buf[:n], nil
		}
		if err != unix.ERANGE || size == xattrMax {
			return nil, err
		}
	}
}

// listXattrs returns the sorted names of a file's attributes. call is Listxattr or
// Llistxattr of a view.
func listXattrs(call func(string, []byte) (int, error), p string) ([]string, error) {
	list, err := sized(func(b []byte) (int, error) { return call(p, b) })
	if err != nil || len(list) == 0 {
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
	slices.Sort(names)
	return names, nil
}

func getXattr(call func(string, string, []byte) (int, error), p, name string) ([]byte, error) {
	return sized(func(b []byte) (int, error) { return call(p, name, b) })
}

// xattrs returns all attributes of a file.
func (s *Server) xattrs(p string, follow bool) ([]rpc.Xattr, error) {
	v := s.view()
	list, get := v.Llistxattr, v.Lgetxattr
	if follow {
		list, get = v.Listxattr, v.Getxattr
	}
	names, err := listXattrs(list, p)
	if err != nil {
		return nil, perror(err, "%slistxattr: %s", l(follow), p)
	}
	attrs := []rpc.Xattr{}
	for _, name := range names {
		value, err := getXattr(get, p, name)
		switch err {
		case nil:
			attrs = append(attrs, rpc.Xattr{Attrname: name, Attrval: value})
		case unix.ENODATA, unix.EOPNOTSUPP: // listed, but not to be had
		default:
			return nil, perror(err, "%sgetxattr: %s", l(follow), p)
		}
	}
	return attrs, nil
}

// l is what the names of calls begin with that do not follow symbolic links.
func l(follow bool) string {
	if follow {
		return ""
	}
	return "l"
}

// Getxattrs returns the extended attributes of a file.
func (s *Server) Getxattrs(ctx context.Context, a *rpc.GetxattrsArgs) ([]rpc.Xattr, error) {
	return s.xattrs(a.Path, true)
}

// Lgetxattrs returns the extended attributes of a file, of a symbolic link its own.
func (s *Server) Lgetxattrs(ctx context.Context, a *rpc.LgetxattrsArgs) ([]rpc.Xattr, error) {
	return s.xattrs(a.Path, false)
}

// Getxattr returns an extended attribute.
func (s *Server) Getxattr(ctx context.Context, a *rpc.GetxattrArgs) ([]byte, error) {
	value, err := getXattr(s.view().Getxattr, a.Path, a.Name)
	if err != nil {
		return nil, perror(err, "getxattr")
	}
	return value, nil
}

// Lgetxattr returns an extended attribute, of a symbolic link its own.
func (s *Server) Lgetxattr(ctx context.Context, a *rpc.LgetxattrArgs) ([]byte, error) {
	value, err := getXattr(s.view().Lgetxattr, a.Path, a.Name)
	if err != nil {
		return nil, perror(err, "lgetxattr")
	}
	return value, nil
}

// Setxattr sets an extended attribute. Its value is the first Vallen bytes of Val.
func (s *Server) Setxattr(ctx context.Context, a *rpc.SetxattrArgs) error {
	return setXattr(s.view().Setxattr, "setxattr", a.Path, a.Xattr, a.Val, a.Vallen)
}

// Lsetxattr is Setxattr of a symbolic link itself.
func (s *Server) Lsetxattr(ctx context.Context, a *rpc.LsetxattrArgs) error {
	return setXattr(s.view().Lsetxattr, "lsetxattr", a.Path, a.Xattr, a.Val, a.Vallen)
}

func setXattr(call func(string, string, []byte, int) error, op, p, name, value string, n int) error {
	if n == len(value)+1 {
		value += "\x00" // in C, every string has that: labels of SELinux are set with it
	}
	if n < 0 || n > len(value) {
		return errorf("vallen is out of range: %d", n)
	}
	if err := call(p, name, []byte(value[:n]), 0); err != nil {
		return perror(err, "%s", op)
	}
	return nil
}

// Removexattr removes an extended attribute.
func (s *Server) Removexattr(ctx context.Context, a *rpc.RemovexattrArgs) error {
	if err := s.view().Removexattr(a.Path, a.Xattr); err != nil {
		return perror(err, "removexattr")
	}
	return nil
}

// Lremovexattr is Removexattr of a symbolic link itself.
func (s *Server) Lremovexattr(ctx context.Context, a *rpc.LremovexattrArgs) error {
	if err := s.view().Lremovexattr(a.Path, a.Xattr); err != nil {
		return perror(err, "lremovexattr")
	}
	return nil
}

// InternalLxattrlist returns the extended attributes of files in a directory. Those of
// each file come after an entry without a name, whose value is their number as text
// that a NUL ends, or nothing if they cannot be had.
func (s *Server) InternalLxattrlist(ctx context.Context, a *rpc.InternalLxattrlistArgs) ([]rpc.Xattr, error) {
	if !s.isDirectory(a.Path) {
		if _, err := s.stat(a.Path); err != nil {
			return nil, perror(err, "open: %s", a.Path)
		}
		return nil, perror(unix.ENOTDIR, "open: %s", a.Path)
	}
	list := []rpc.Xattr{}
	total := 0
	for _, name := range a.Names {
		attrs, err := s.xattrs(a.Path+"/"+name, false)
		head := rpc.Xattr{Attrval: append(strconv.AppendInt(nil, int64(len(attrs)), 10), 0)}
		if err != nil {
			head.Attrval = []byte{}
		}
		list = append(append(list, head), attrs...)
		for i := range attrs {
			total += len(attrs[i].Attrname) + len(attrs[i].Attrval)
		}
		if total > xdr.Limit {
			return nil, errorf("the extended attributes of these files are too long for one message")
		}
	}
	return list, nil
}

// CopyAttributes copies the permissions, the owner and extended attributes of a file to
// another, or those that are asked for.
func (s *Server) CopyAttributes(ctx context.Context, a *rpc.CopyAttributesArgs) error {
	all := a.All.Or(false) // what an option of its own can except
	v := s.view()
	st, err := s.stat(a.Src)
	if err != nil {
		return perror(err, "stat: %s", a.Src)
	}
	if _, err := s.stat(a.Dest); err != nil {
		return perror(err, "stat: %s", a.Dest)
	}
	if a.Ownership.Or(all) {
		if err := v.Fchownat(cwd, a.Dest, int(st.Uid), int(st.Gid), 0); err != nil {
			return perror(err, "chown: %s", a.Dest)
		}
	}
	// After the owner, a change of which takes away setuid and capabilities.
	if a.Mode.Or(all) {
		if err := v.Fchmodat(cwd, a.Dest, uint32(st.Mode&0o7777), 0); err != nil {
			return perror(err, "chmod: %s", a.Dest)
		}
	}
	if a.Xattributes.Or(all) {
		attrs, err := s.xattrs(a.Src, true)
		if err != nil {
			return err
		}
		for _, x := range attrs {
			if err := v.Setxattr(a.Dest, x.Attrname, x.Attrval, 0); err != nil {
				return perror(err, "setxattr: %s, %s", a.Dest, x.Attrname)
			}
		}
	}
	return nil
}
