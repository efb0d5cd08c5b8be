package vmlinux

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Flags of memfd_create(2) and of sealing that older hosts do not know.
const (
	mfdExec   = 0x10
	fSealExec = 0x20
)

// executable copies the image into a file that can be executed and not
// changed any more, and returns its descriptor.
func executable(s *source) (int, error) {
	fd, err := unix.MemfdCreate("unboot-kernel", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|mfdExec)
	if err == unix.EINVAL { // before Linux 6.3 all of them are executable
		fd, err = unix.MemfdCreate("unboot-kernel", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil { // vm.memfd_noexec, most likely
		return temporary(s, err)
	}
	if fd, err = moveUp(fd); err != nil {
		return -1, err
	}
	if err := s.copyTo(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if err := seal(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	if unix.Access(fmt.Sprintf("/proc/self/fd/%d", fd), unix.X_OK) != nil {
		unix.Close(fd)
		return temporary(s, unix.EACCES)
	}
	return fd, nil
}

// seal forbids to change a memfd.
func seal(fd int) error {
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals|fSealExec); err != nil {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
	}
	return nil
}

// temporary is executable in a file system, for hosts that do not allow
// memory to be executed as a file. The file has no name when it returns.
func temporary(s *source, cause error) (int, error) {
	dirs := []string{os.TempDir(), os.Getenv("XDG_RUNTIME_DIR"), "/var/tmp", "/dev/shm"}
	if cache, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, cache)
	}
	err := cause
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) != nil || fs.Flags&unix.ST_NOEXEC != 0 {
			continue
		}
		var fd int
		if fd, err = temporaryIn(dir, s); err == nil {
			return fd, nil
		}
	}
	return -1, fmt.Errorf("no place for an executable file (memfd_create: %w): %w", cause, err)
}

func temporaryIn(dir string, s *source) (int, error) {
	f, err := os.CreateTemp(dir, "unboot-kernel-")
	if err != nil {
		return -1, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	if cerr := conn.Control(func(fd uintptr) { err = s.copyTo(int(fd)) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return -1, err
	}
	if err := f.Chmod(0o500); err != nil {
		return -1, err
	}
	// Open for writing it could not be executed.
	fd, err := unix.Open(f.Name(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return moveUp(fd)
}
