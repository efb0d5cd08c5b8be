package lkl

import "golang.org/x/sys/unix"

// Mkdirat makes a directory, as mkdirat(2).
func (v *View) Mkdirat(dirfd int, path string, mode uint32) error {
	return errorOf(v.callAt(sysMkdirat, dirfd, path, uint64(mode)))
}

// Mknodat makes a file, FIFO, socket or device node, as mknodat(2). dev is
// encoded as by unix.Mkdev.
func (v *View) Mknodat(dirfd int, path string, mode uint32, dev int) error {
	return errorOf(v.callAt(sysMknodat, dirfd, path, uint64(mode), uint64(uint32(dev))))
}

// Unlinkat removes a name, as unlinkat(2).
func (v *View) Unlinkat(dirfd int, path string, flags int) error {
	return errorOf(v.callAt(sysUnlinkat, dirfd, path, uint64(flags)))
}

// Symlinkat makes a symbolic link, as symlinkat(2).
func (v *View) Symlinkat(oldpath string, newdirfd int, newpath string) error {
	c, o, err := v.beginPath(oldpath)
	if err != nil {
		return err
	}
	defer c.end()
	n, err := c.path(newpath)
	if err != nil {
		return err
	}
	_, err = c.do(sysSymlinkat, o, uint64(newdirfd), n)
	return err
}

// Linkat makes a hard link, as linkat(2).
func (v *View) Linkat(olddirfd int, oldpath string, newdirfd int, newpath string, flags int) error {
	return v.callTwo(sysLinkat, olddirfd, oldpath, newdirfd, newpath, uint64(flags))
}

// Renameat renames, as renameat(2).
func (v *View) Renameat(olddirfd int, oldpath string, newdirfd int, newpath string) error {
	return v.callTwo(sysRenameat2, olddirfd, oldpath, newdirfd, newpath, 0)
}

// Renameat2 renames, exchanges or whites out, as renameat2(2).
func (v *View) Renameat2(olddirfd int, oldpath string, newdirfd int, newpath string, flags uint) error {
	return v.callTwo(sysRenameat2, olddirfd, oldpath, newdirfd, newpath, uint64(flags))
}

// Readlinkat reads the target of a symbolic link into buf, as readlinkat(2),
// and returns its length. A target is at most 4095 bytes long.
func (v *View) Readlinkat(dirfd int, path string, buf []byte) (int, error) {
	c, p, err := v.beginPath(path)
	if err != nil {
		return -1, err
	}
	defer c.end()
	if len(buf) == 0 {
		return -1, unix.EINVAL
	}
	mem, addr := c.room(min(len(buf), pathMax))
	n, err := c.do(sysReadlinkat, uint64(dirfd), p, addr, uint64(len(mem)))
	if err != nil {
		return -1, err
	}
	return copyResult(buf, mem, n)
}

// Readlink returns the target of a symbolic link.
func (v *View) Readlink(dirfd int, path string) (string, error) {
	c, p, err := v.beginPath(path)
	if err != nil {
		return "", err
	}
	defer c.end()
	mem, addr := c.room(pathMax)
	n, err := c.do(sysReadlinkat, uint64(dirfd), p, addr, pathMax)
	if err != nil {
		return "", err
	}
	if n > len(mem) {
		return "", c.k.violated("readlink")
	}
	return string(mem[:n]), nil
}

// Getdents reads entries of a directory as struct linux_dirent64, as
// getdents64(2); unix.ParseDirent understands them. [View.ReadDir] does more
// in fewer calls.
func (v *View) Getdents(fd int, buf []byte) (n int, err error) {
	return v.callOut(buf, maxPiece, sysGetdents64, uint64(fd))
}
