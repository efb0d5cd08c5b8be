package lkl

// The largest value of an extended attribute, and the largest list of names:
// XATTR_SIZE_MAX and XATTR_LIST_MAX.
const xattrMax = 65536

// Setxattr sets an extended attribute, as setxattr(2).
func (v *View) Setxattr(path, attr string, data []byte, flags int) error {
	return v.setxattr(sysSetxattr, path, -1, attr, data, flags)
}

// Lsetxattr is Setxattr of a symbolic link itself, as lsetxattr(2).
func (v *View) Lsetxattr(path, attr string, data []byte, flags int) error {
	return v.setxattr(sysLsetxattr, path, -1, attr, data, flags)
}

// Fsetxattr sets an extended attribute of an open file, as fsetxattr(2).
func (v *View) Fsetxattr(fd int, attr string, data []byte, flags int) error {
	return v.setxattr(sysFsetxattr, "", fd, attr, data, flags)
}

// Getxattr reads an extended attribute into dest and returns its size, as
// getxattr(2). With an empty dest it returns the size only.
func (v *View) Getxattr(path, attr string, dest []byte) (sz int, err error) {
	return v.getxattr(sysGetxattr, path, -1, attr, dest)
}

// Lgetxattr is Getxattr of a symbolic link itself, as lgetxattr(2).
func (v *View) Lgetxattr(path, attr string, dest []byte) (sz int, err error) {
	return v.getxattr(sysLgetxattr, path, -1, attr, dest)
}

// Fgetxattr reads an extended attribute of an open file, as fgetxattr(2).
func (v *View) Fgetxattr(fd int, attr string, dest []byte) (sz int, err error) {
	return v.getxattr(sysFgetxattr, "", fd, attr, dest)
}

// Listxattr reads the names of the extended attributes into dest, each ended
// by a NUL, and returns their size together, as listxattr(2). With an empty
// dest it returns the size only.
func (v *View) Listxattr(path string, dest []byte) (sz int, err error) {
	return v.getxattr(sysListxattr, path, -1, "", dest)
}

// Llistxattr is Listxattr of a symbolic link itself, as llistxattr(2).
func (v *View) Llistxattr(path string, dest []byte) (sz int, err error) {
	return v.getxattr(sysLlistxattr, path, -1, "", dest)
}

// Flistxattr lists the extended attributes of an open file, as flistxattr(2).
func (v *View) Flistxattr(fd int, dest []byte) (sz int, err error) {
	return v.getxattr(sysFlistxattr, "", fd, "", dest)
}

// Removexattr removes an extended attribute, as removexattr(2).
func (v *View) Removexattr(path, attr string) error {
	return v.setxattr(sysRemovexattr, path, -1, attr, nil, 0)
}

// Lremovexattr is Removexattr of a symbolic link itself, as lremovexattr(2).
func (v *View) Lremovexattr(path, attr string) error {
	return v.setxattr(sysLremovexattr, path, -1, attr, nil, 0)
}

// Fremovexattr removes an extended attribute of an open file, as
// fremovexattr(2).
func (v *View) Fremovexattr(fd int, attr string) error {
	return v.setxattr(sysFremovexattr, "", fd, attr, nil, 0)
}

// setxattr serves the calls that set and remove; fd counts unless it is -1.
func (v *View) setxattr(nr int32, path string, fd int, attr string, data []byte, flags int) error {
	c, err := v.begin()
	if err != nil {
		return err
	}
	defer c.end()
	if err := c.reserve(len(path) + len(attr) + len(data) + 32); err != nil {
		return err
	}
	file, name, err := c.fileAndName(path, fd, attr)
	if err != nil {
		return err
	}
	switch nr {
	case sysRemovexattr, sysLremovexattr, sysFremovexattr:
		_, err = c.do(nr, file, name)
	default:
		_, err = c.do(nr, file, name, c.bytes(data), uint64(len(data)), uint64(flags))
	}
	return err
}

// getxattr serves the calls that get and list; fd counts unless it is -1.
func (v *View) getxattr(nr int32, path string, fd int, attr string, dest []byte) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	size := min(len(dest), xattrMax)
	if err := c.reserve(len(path) + len(attr) + size + 32); err != nil {
		return -1, err
	}
	file, name, err := c.fileAndName(path, fd, attr)
	if err != nil {
		return -1, err
	}
	mem, addr := c.room(size)
	var n int
	switch nr {
	case sysListxattr, sysLlistxattr, sysFlistxattr:
		n, err = c.do(nr, file, addr, uint64(size))
	default:
		n, err = c.do(nr, file, name, addr, uint64(size))
	}
	if err != nil || size == 0 {
		return n, err
	}
	return copyResult(dest, mem, n)
}

func (c *call) fileAndName(path string, fd int, attr string) (file, name uint64, err error) {
	file = uint64(fd)
	if fd == -1 {
		if file, err = c.path(path); err != nil {
			return 0, 0, err
		}
	}
	name, err = c.path(attr)
	return file, name, err
}
