package words

import (
	"golang.org/x/sys/unix"
)

// A Host is the kernel that this program runs on.
type Host struct{}

func (Host) Openat(dirfd int, path string, flags int, mode uint32) (int, error) {
	return unix.Openat(dirfd, path, flags, mode)
}
func (Host) Unlinkat(dirfd int, path string, flags int) error {
	return unix.Unlinkat(dirfd, path, flags)
}
func (Host) Mkdirat(dirfd int, path string, mode uint32) error {
	return unix.Mkdirat(dirfd, path, mode)
}
func (Host) Mknodat(dirfd int, path string, mode uint32, dev int) error {
	return unix.Mknodat(dirfd, path, mode, dev)
}
func (Host) Linkat(olddirfd int, oldpath string, newdirfd int, newpath string, flags int) error {
	return unix.Linkat(olddirfd, oldpath, newdirfd, newpath, flags)
}
func (Host) Symlinkat(target string, dirfd int, path string) error {
	return unix.Symlinkat(target, dirfd, path)
}
func (Host) Renameat(olddirfd int, oldpath string, newdirfd int, newpath string) error {
	return unix.Renameat(olddirfd, oldpath, newdirfd, newpath)
}
func (Host) Fchmod(fd int, mode uint32) error { return unix.Fchmod(fd, mode) }
func (Host) Fchmodat(dirfd int, path string, mode uint32, flags int) error {
	return unix.Fchmodat(dirfd, path, mode, flags)
}
func (Host) Fchown(fd, uid, gid int) error { return unix.Fchown(fd, uid, gid) }
func (Host) Fchownat(dirfd int, path string, uid, gid, flags int) error {
	return unix.Fchownat(dirfd, path, uid, gid, flags)
}
func (Host) Truncate(path string, size int64) error { return unix.Truncate(path, size) }
func (Host) Ftruncate(fd int, size int64) error     { return unix.Ftruncate(fd, size) }
func (Host) Statx(dirfd int, path string, flags, mask int, st *unix.Statx_t) error {
	return unix.Statx(dirfd, path, flags, mask, st)
}
func (Host) UtimesNanoAt(dirfd int, path string, ts []unix.Timespec, flags int) error {
	return unix.UtimesNanoAt(dirfd, path, ts, flags)
}
func (Host) Pread(fd int, p []byte, off int64) (int, error)  { return unix.Pread(fd, p, off) }
func (Host) Pwrite(fd int, p []byte, off int64) (int, error) { return unix.Pwrite(fd, p, off) }
func (Host) Write(fd int, p []byte) (int, error)             { return unix.Write(fd, p) }
func (Host) CloseFd(fd int) error                            { return unix.Close(fd) }

func (Host) NameMax() (int, error) {
	var st unix.Statfs_t
	err := unix.Statfs(".", &st)
	return int(st.Namelen), err
}

func (Host) Bind(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
}

func (Host) Connect(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

// Become changes who this process is, for good.
func (id Identity) Become() error {
	unix.Umask(id.Umask)
	if len(id.Groups) > 0 {
		groups := make([]int, len(id.Groups))
		for i, g := range id.Groups {
			groups[i] = int(g)
		}
		if err := unix.Setgroups(groups); err != nil {
			return err
		}
		if err := unix.Setresgid(groups[0], groups[0], groups[0]); err != nil {
			return err
		}
	}
	if id.UID != -1 {
		return unix.Setresuid(id.UID, id.UID, id.UID)
	}
	return nil
}
