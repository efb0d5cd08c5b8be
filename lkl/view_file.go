package lkl

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Open opens a file, as open(2). The descriptor is the kernel's and means
// nothing to the host.
func (v *View) Open(path string, flags int, mode uint32) (fd int, err error) {
	return v.Openat(unix.AT_FDCWD, path, flags, mode)
}

// Openat opens a file, as openat(2).
func (v *View) Openat(dirfd int, path string, flags int, mode uint32) (fd int, err error) {
	return v.callAt(sysOpenat, dirfd, path, openFlags(flags), uint64(mode))
}

// Openat2 opens a file, as openat2(2). how.Resolve is the means to open a
// path below a directory without trust in the symbolic links on the way.
func (v *View) Openat2(dirfd int, path string, how *unix.OpenHow) (fd int, err error) {
	c, p, err := v.beginPath(path)
	if err != nil {
		return -1, err
	}
	defer c.end()
	b, h := c.room(24)
	binary.LittleEndian.PutUint64(b[0:], openFlags(int(how.Flags)))
	binary.LittleEndian.PutUint64(b[8:], how.Mode)
	binary.LittleEndian.PutUint64(b[16:], how.Resolve)
	return c.do(sysOpenat2, uint64(dirfd), p, h, 24)
}

// CloseFd closes a descriptor of the kernel, as close(2).
func (v *View) CloseFd(fd int) error {
	return errorOf(v.call(sysClose, uint64(fd)))
}

// Dup duplicates a descriptor of the kernel, as dup(2).
func (v *View) Dup(fd int) (int, error) { return v.call(sysDup, uint64(fd)) }

// Seek moves the offset of a descriptor, as lseek(2), SEEK_DATA and SEEK_HOLE
// included.
func (v *View) Seek(fd int, offset int64, whence int) (int64, error) {
	n, err := v.call(sysLseek, uint64(fd), uint64(offset), uint64(whence))
	return int64(n), err
}

// Ftruncate sets the size of a file, as ftruncate(2).
func (v *View) Ftruncate(fd int, length int64) error {
	return errorOf(v.call(sysFtruncate, uint64(fd), uint64(length)))
}

// Truncate sets the size of a file, as truncate(2).
func (v *View) Truncate(path string, length int64) error {
	return errorOf(v.callPath(sysTruncate, path, uint64(length)))
}

// Fallocate allocates, zeroes or punches a range of a file, as fallocate(2).
func (v *View) Fallocate(fd int, mode uint32, off, length int64) error {
	return errorOf(v.call(sysFallocate, uint64(fd), uint64(mode), uint64(off), uint64(length)))
}

// Fadvise announces how a range will be used, as posix_fadvise(2). It may
// also be used to drop the kernel's cache of it.
func (v *View) Fadvise(fd int, offset, length int64, advice int) error {
	return errorOf(v.call(sysFadvise64, uint64(fd), uint64(offset), uint64(length), uint64(advice)))
}

// Fsync writes a file and its metadata to the disk, as fsync(2). The disk has
// made it stable when Fsync returns.
func (v *View) Fsync(fd int) error {
	return errorOf(v.call(sysFsync, uint64(fd)))
}

// Fdatasync is Fsync without metadata that reading does not need, as
// fdatasync(2).
func (v *View) Fdatasync(fd int) error {
	return errorOf(v.call(sysFdatasync, uint64(fd)))
}

// SyncFileRange writes what is cached of a range to the device, as sync_file_range(2), without
// making it stable there. A length of 0 is up to the end.
func (v *View) SyncFileRange(fd int, offset, length int64, flags int) error {
	return errorOf(v.call(sysSyncFileRange, uint64(fd), uint64(offset), uint64(length), uint64(flags)))
}

// Syncfs writes everything of the file system that fd is in, as syncfs(2),
// and reports errors of earlier writing back.
func (v *View) Syncfs(fd int) error {
	return errorOf(v.call(sysSyncfs, uint64(fd)))
}

// Sync writes everything of all file systems, as sync(2). The error can only
// be that of a kernel which has ended: see Syncfs.
func (v *View) Sync() error {
	return errorOf(v.call(sysSync))
}

// CopyFileRange copies within the kernel, as copy_file_range(2): sharing
// blocks where the file system can. Offsets that are not nil are used in place
// of the descriptors' own, and advanced.
func (v *View) CopyFileRange(rfd int, roff *int64, wfd int, woff *int64, length int, flags int) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	var addr [2]uint64
	var mem [2][]byte
	for i, off := range []*int64{roff, woff} {
		if off != nil {
			mem[i], addr[i] = c.room(8)
			binary.LittleEndian.PutUint64(mem[i], uint64(*off))
		}
	}
	n, err := c.do(sysCopyFileRange, uint64(rfd), addr[0], uint64(wfd), addr[1], uint64(length), uint64(flags))
	if err == nil {
		for i, off := range []*int64{roff, woff} {
			if off != nil {
				*off = int64(binary.LittleEndian.Uint64(mem[i]))
			}
		}
	}
	return n, err
}
