package lkl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Statx fills stat with a file's metadata, as statx(2). With AT_EMPTY_PATH
// and an empty path it is that of dirfd itself.
func (v *View) Statx(dirfd int, path string, flags, mask int, stat *unix.Statx_t) error {
	c, p, err := v.beginPath(path)
	if err != nil {
		return err
	}
	defer c.end()
	mem, buf := c.room(sizeofStatx)
	if _, err := c.do(sysStatx, uint64(dirfd), p, uint64(flags), uint64(mask), buf); err != nil {
		return err
	}
	loadStatx(mem, stat)
	return nil
}

// Fstatx fills stat with the metadata of an open file. It takes the place of
// fstat(2), whose structure differs between hosts.
func (v *View) Fstatx(fd, mask int, stat *unix.Statx_t) error {
	return v.Statx(fd, "", unix.AT_EMPTY_PATH, mask, stat)
}

// Statfs fills stat with the file system's sizes, as statfs(2).
func (v *View) Statfs(path string, stat *unix.Statfs_t) error {
	c, p, err := v.beginPath(path)
	if err != nil {
		return err
	}
	defer c.end()
	mem, buf := c.room(sizeofStatfs)
	if _, err := c.do(sysStatfs, p, buf); err != nil {
		return err
	}
	loadStatfs(mem, stat)
	return nil
}

// Fstatfs fills stat with the file system's sizes, as fstatfs(2).
func (v *View) Fstatfs(fd int, stat *unix.Statfs_t) error {
	c, err := v.begin()
	if err != nil {
		return err
	}
	defer c.end()
	mem, buf := c.room(sizeofStatfs)
	if _, err := c.do(sysFstatfs, uint64(fd), buf); err != nil {
		return err
	}
	loadStatfs(mem, stat)
	return nil
}

// Faccessat checks for permission, as faccessat2(2).
func (v *View) Faccessat(dirfd int, path string, mode uint32, flags int) error {
	return errorOf(v.callAt(sysFaccessat2, dirfd, path, uint64(mode), uint64(flags)))
}

// Fchmod sets the mode of an open file, as fchmod(2).
func (v *View) Fchmod(fd int, mode uint32) error {
	return errorOf(v.call(sysFchmod, uint64(fd), uint64(mode)))
}

// Fchmodat sets the mode of a file, as fchmodat(2). flags must be 0: the
// system call that takes some is younger than the kernel's interface here.
func (v *View) Fchmodat(dirfd int, path string, mode uint32, flags int) error {
	if flags != 0 {
		return unix.EOPNOTSUPP
	}
	return errorOf(v.callAt(sysFchmodat, dirfd, path, uint64(mode)))
}

// Fchown sets the owner of an open file, as fchown(2); -1 leaves one as it is.
func (v *View) Fchown(fd, uid, gid int) error {
	return errorOf(v.call(sysFchown, uint64(fd), uint64(uint32(uid)), uint64(uint32(gid))))
}

// Fchownat sets the owner of a file, as fchownat(2); -1 leaves one as it is.
func (v *View) Fchownat(dirfd int, path string, uid, gid, flags int) error {
	return errorOf(v.callAt(sysFchownat, dirfd, path, uint64(uint32(uid)), uint64(uint32(gid)), uint64(flags)))
}

// UtimesNanoAt sets the times of access and modification, as utimensat(2).
// ts holds two; nil means now.
func (v *View) UtimesNanoAt(dirfd int, path string, ts []unix.Timespec, flags int) error {
	c, p, err := v.beginPath(path)
	if err != nil {
		return err
	}
	defer c.end()
	t, err := c.times(ts)
	if err != nil {
		return err
	}
	_, err = c.do(sysUtimensat, uint64(dirfd), p, t, uint64(flags))
	return err
}

// Futimens sets the times of an open file, as futimens(3).
func (v *View) Futimens(fd int, ts []unix.Timespec) error {
	c, err := v.begin()
	if err != nil {
		return err
	}
	defer c.end()
	t, err := c.times(ts)
	if err != nil {
		return err
	}
	_, err = c.do(sysUtimensat, uint64(fd), 0, t, 0)
	return err
}

// times puts the argument of utimensat(2) into the window.
func (c *call) times(ts []unix.Timespec) (uint64, error) {
	if ts == nil {
		return 0, nil
	}
	if len(ts) != 2 {
		return 0, unix.EINVAL
	}
	mem, addr := c.room(sizeofTimes)
	putTimes(mem, ts)
	return addr, nil
}

const (
	sizeofTimes  = 32
	sizeofStatfs = 120
	sizeofStatx  = 256
)

// putTimes encodes two struct __kernel_timespec.
func putTimes(b []byte, ts []unix.Timespec) {
	for i := range 2 {
		binary.LittleEndian.PutUint64(b[16*i:], uint64(ts[i].Sec))
		binary.LittleEndian.PutUint64(b[16*i+8:], uint64(ts[i].Nsec))
	}
}
