package unboot

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Getxattr returns the value of an extended attribute, as lgetxattr(2): of a
// symbolic link itself, if name is one. attr has its name space, such as
// "user.comment" or "security.capability". A missing attribute is
// unix.ENODATA, a file system without them unix.EOPNOTSUPP.
func (f *FS) Getxattr(name, attr string) (value []byte, err error) {
	err = f.call("getxattr", name, func(p string) error {
		value, err = f.getxattr(p, attr)
		return err
	})
	return value, err
}

func (f *FS) getxattr(p, attr string) ([]byte, error) {
	return sized(func(buf []byte) (int, error) { return f.view.Lgetxattr(p, attr, buf) })
}

// sized makes a call that answers ERANGE if the memory is too small. Most
// answers are short.
func sized(call func(buf []byte) (int, error)) ([]byte, error) {
	for size := 512; ; size = xattrMax {
		buf := make([]byte, size)
		n, err := call(buf)
		switch {
		case err == nil:
			return buf[:n:n], nil
		case err != unix.ERANGE || size == xattrMax:
			return nil, err
		}
	}
}

// xattrMax is XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h.
const xattrMax = 64 << 10

// Setxattr sets an extended attribute, as lsetxattr(2); flags may be 0,
// unix.XATTR_CREATE or unix.XATTR_REPLACE.
func (f *FS) Setxattr(name, attr string, data []byte, flags int) error {
	return f.call("setxattr", name, func(p string) error {
		return f.view.Lsetxattr(p, attr, data, flags)
	})
}

// Listxattr returns the names of the extended attributes, sorted, as
// llistxattr(2). A file system without them has none.
func (f *FS) Listxattr(name string) (attrs []string, err error) {
	err = f.call("listxattr", name, func(p string) error {
		attrs, err = f.listxattr(p)
		return err
	})
	return attrs, err
}

func (f *FS) listxattr(p string) ([]string, error) {
	list, err := sized(func(buf []byte) (int, error) { return f.view.Llistxattr(p, buf) })
	if err == unix.EOPNOTSUPP || err == nil && len(list) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	attrs := strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00")
	slices.Sort(attrs)
	return attrs, nil
}

// Removexattr removes an extended attribute, as lremovexattr(2).
func (f *FS) Removexattr(name, attr string) error {
	return f.call("removexattr", name, func(p string) error { return f.view.Lremovexattr(p, attr) })
}

// Xattrs returns all extended attributes, of a symbolic link its own. It is nil
// if there are none.
func (f *FS) Xattrs(name string) (attrs map[string][]byte, err error) {
	err = f.call("getxattr", name, func(p string) error {
		attrs, err = f.xattrs(p)
		return err
	})
	return attrs, err
}

func (f *FS) xattrs(p string) (map[string][]byte, error) {
	names, err := f.listxattr(p)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	attrs := make(map[string][]byte, len(names))
	for _, attr := range names {
		v, err := f.getxattr(p, attr)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.EOPNOTSUPP) {
			continue // listed, but not to be had
		}
		if err != nil {
			return nil, err
		}
		attrs[attr] = v
	}
	return attrs, nil
}
