package unboot

// Getxattr returns the value of an extended attribute, as lgetxattr(2): of a
// symbolic link itself, if name is one. attr has its name space, such as
// "user.comment" or "security.capability". A missing attribute is
// unix.ENODATA, a file system without them unix.EOPNOTSUPP.
func (f *FS) Getxattr(name, attr string) ([]byte, error) { panic("not yet") }

// Setxattr sets an extended attribute, as lsetxattr(2); flags may be 0,
// unix.XATTR_CREATE or unix.XATTR_REPLACE.
func (f *FS) Setxattr(name, attr string, data []byte, flags int) error { panic("not yet") }

// Listxattr returns the names of the extended attributes, sorted, as
// llistxattr(2). A file system without them has none.
func (f *FS) Listxattr(name string) ([]string, error) { panic("not yet") }

// Removexattr removes an extended attribute, as lremovexattr(2).
func (f *FS) Removexattr(name, attr string) error { panic("not yet") }

// Xattrs returns all extended attributes, of a symbolic link its own. It is nil
// if there are none.
func (f *FS) Xattrs(name string) (map[string][]byte, error) { panic("not yet") }
