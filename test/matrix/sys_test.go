// Package matrix writes to every file system and reads every format, and
// compares with what others make of the same image: the host's kernel, the
// checkers, independent drivers, and the tree that an image was made from.
package matrix

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

func TestMain(m *testing.M) {
	unix.Umask(0) // our kernel has none
	rig.Main(m)
}

// A sys is system calls: of our kernel, or of the host's. The same script runs
// on both.
type sys interface {
	Open(path string, flags int, mode uint32) (int, error)
	CloseFd(fd int) error
	Pread(fd int, p []byte, off int64) (int, error)
	Pwrite(fd int, p []byte, off int64) (int, error)
	PwriteDirect(fd int, p []byte, off int64) (int, error)
	Write(fd int, p []byte) (int, error)
	Seek(fd int, off int64, whence int) (int64, error)
	Ftruncate(fd int, size int64) error
	Fallocate(fd int, mode uint32, off, n int64) error
	Fsync(fd int) error
	CopyFileRange(rfd int, roff *int64, wfd int, woff *int64, n int, flags int) (int, error)
	Mkdirat(dirfd int, path string, mode uint32) error
	Mknodat(dirfd int, path string, mode uint32, dev int) error
	Linkat(olddirfd int, oldpath string, newdirfd int, newpath string, flags int) error
	Symlinkat(target string, dirfd int, path string) error
	Unlinkat(dirfd int, path string, flags int) error
	Renameat2(olddirfd int, oldpath string, newdirfd int, newpath string, flags uint) error
	Fchmodat(dirfd int, path string, mode uint32, flags int) error
	Fchownat(dirfd int, path string, uid, gid, flags int) error
	UtimesNanoAt(dirfd int, path string, ts []unix.Timespec, flags int) error
	Lsetxattr(path, attr string, data []byte, flags int) error
	Lgetxattr(path, attr string, dest []byte) (int, error)
	Llistxattr(path string, dest []byte) (int, error)
	Lremovexattr(path, attr string) error
	Readlink(dirfd int, path string) (string, error)
	list(dir string, each func(name string, st *unix.Statx_t)) error
	stat(path string) (unix.Statx_t, error)
}

// ours is the kernel of this project.
type ours struct{ *lkl.View }

func (o ours) list(dir string, each func(name string, st *unix.Statx_t)) error {
	fd, err := o.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer o.CloseFd(fd)
	for d, err := range o.ReadDir(fd, unix.STATX_BASIC_STATS, 0) {
		if err != nil {
			return err
		}
		if d.Err != 0 {
			return &os.PathError{Op: "stat", Path: d.Name, Err: d.Err}
		}
		each(d.Name, &d.Stat)
	}
	return nil
}

func (o ours) stat(path string) (st unix.Statx_t, err error) {
	err = o.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	return st, err
}

// theirs is the host's kernel.
type theirs struct{}

func (theirs) Open(path string, flags int, mode uint32) (int, error) {
	return unix.Open(path, flags|unix.O_CLOEXEC, mode)
}
func (theirs) CloseFd(fd int) error                                  { return unix.Close(fd) }
func (theirs) Pread(fd int, p []byte, off int64) (int, error)        { return unix.Pread(fd, p, off) }
func (theirs) Pwrite(fd int, p []byte, off int64) (int, error)       { return unix.Pwrite(fd, p, off) }
func (theirs) PwriteDirect(fd int, p []byte, off int64) (int, error) { return unix.Pwrite(fd, p, off) }
func (theirs) Write(fd int, p []byte) (int, error)                   { return unix.Write(fd, p) }
func (theirs) Seek(fd int, off int64, whence int) (int64, error)     { return unix.Seek(fd, off, whence) }
func (theirs) Ftruncate(fd int, size int64) error                    { return unix.Ftruncate(fd, size) }
func (theirs) Fallocate(fd int, mode uint32, off, n int64) error {
	return unix.Fallocate(fd, mode, off, n)
}
func (theirs) Fsync(fd int) error { return unix.Fsync(fd) }
func (theirs) CopyFileRange(rfd int, roff *int64, wfd int, woff *int64, n int, flags int) (int, error) {
	return unix.CopyFileRange(rfd, roff, wfd, woff, n, flags)
}
func (theirs) Mkdirat(fd int, path string, mode uint32) error { return unix.Mkdirat(fd, path, mode) }
func (theirs) Mknodat(fd int, path string, mode uint32, dev int) error {
	return unix.Mknodat(fd, path, mode, dev)
}
func (theirs) Linkat(a int, b string, c int, d string, e int) error {
	return unix.Linkat(a, b, c, d, e)
}
func (theirs) Symlinkat(a string, b int, c string) error { return unix.Symlinkat(a, b, c) }
func (theirs) Unlinkat(a int, b string, c int) error     { return unix.Unlinkat(a, b, c) }
func (theirs) Renameat2(a int, b string, c int, d string, e uint) error {
	return unix.Renameat2(a, b, c, d, e)
}
func (theirs) Fchmodat(a int, b string, c uint32, d int) error { return unix.Fchmodat(a, b, c, d) }
func (theirs) Fchownat(a int, b string, c, d, e int) error     { return unix.Fchownat(a, b, c, d, e) }
func (theirs) UtimesNanoAt(a int, b string, ts []unix.Timespec, f int) error {
	return unix.UtimesNanoAt(a, b, ts, f)
}
func (theirs) Lsetxattr(a, b string, c []byte, d int) error { return unix.Lsetxattr(a, b, c, d) }
func (theirs) Lgetxattr(a, b string, c []byte) (int, error) { return unix.Lgetxattr(a, b, c) }
func (theirs) Llistxattr(a string, b []byte) (int, error)   { return unix.Llistxattr(a, b) }
func (theirs) Lremovexattr(a, b string) error               { return unix.Lremovexattr(a, b) }
func (theirs) Readlink(_ int, path string) (string, error)  { return os.Readlink(path) }
func (theirs) stat(path string) (st unix.Statx_t, err error) {
	err = unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS, &st)
	return st, err
}

func (h theirs) list(dir string, each func(name string, st *unix.Statx_t)) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		st, err := h.stat(dir + "/" + name)
		if err != nil {
			return &os.PathError{Op: "stat", Path: dir + "/" + name, Err: err}
		}
		each(name, &st)
	}
	return nil
}
