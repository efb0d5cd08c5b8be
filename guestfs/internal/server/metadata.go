package server

import (
	"context"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Chmod sets permissions.
func (s *Server) Chmod(ctx context.Context, a *rpc.ChmodArgs) error {
	if a.Mode < 0 {
		return errorf("%s: mode is negative", a.Path)
	}
	if err := s.view().Fchmodat(cwd, a.Path, uint32(a.Mode)&0o7777, 0); err != nil {
		return perror(err, "%s: 0%o", a.Path, a.Mode)
	}
	return nil
}

// Chown sets the owner.
func (s *Server) Chown(ctx context.Context, a *rpc.ChownArgs) error {
	if err := s.view().Fchownat(cwd, a.Path, a.Owner, a.Group, 0); err != nil {
		return perror(err, "%s: %d.%d", a.Path, a.Owner, a.Group)
	}
	return nil
}

// Lchown sets the owner, of a symbolic link its own.
func (s *Server) Lchown(ctx context.Context, a *rpc.LchownArgs) error {
	if err := s.view().Fchownat(cwd, a.Path, a.Owner, a.Group, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return perror(err, "%s: %d.%d", a.Path, a.Owner, a.Group)
	}
	return nil
}

// Utimens sets the times of access and modification. Nanoseconds of -1 stand for now,
// of -2 for the time as it is.
func (s *Server) Utimens(ctx context.Context, a *rpc.UtimensArgs) error {
	times := []unix.Timespec{{Sec: a.Atsecs, Nsec: a.Atnsecs}, {Sec: a.Mtsecs, Nsec: a.Mtnsecs}}
	for i := range times {
		switch times[i].Nsec {
		case -1:
			times[i].Nsec = unix.UTIME_NOW
		case -2:
			times[i].Nsec = unix.UTIME_OMIT
		}
	}
	if err := s.view().UtimesNanoAt(cwd, a.Path, times, 0); err != nil {
		return perror(err, "utimensat: %s", a.Path)
	}
	return nil
}

// Mknod makes a file of any type.
func (s *Server) Mknod(ctx context.Context, a *rpc.MknodArgs) error {
	if a.Mode < 0 {
		return errorf("%d: mode is negative", a.Mode)
	}
	return s.mknod(a.Path, uint32(a.Mode), a.Devmajor, a.Devminor)
}

// MknodB makes a block device.
func (s *Server) MknodB(ctx context.Context, a *rpc.MknodBArgs) error {
	return s.mknodType(a.Path, unix.S_IFBLK, a.Mode, a.Devmajor, a.Devminor)
}

// MknodC makes a character device.
func (s *Server) MknodC(ctx context.Context, a *rpc.MknodCArgs) error {
	return s.mknodType(a.Path, unix.S_IFCHR, a.Mode, a.Devmajor, a.Devminor)
}

// Mkfifo makes a FIFO.
func (s *Server) Mkfifo(ctx context.Context, a *rpc.MkfifoArgs) error {
	return s.mknodType(a.Path, unix.S_IFIFO, a.Mode, 0, 0)
}

func (s *Server) mknodType(p string, typ uint32, mode, major, minor int) error {
	if mode < 0 || mode&^0o777 != 0 {
		return errorf("%o: mode must specify only file permission bits", uint32(mode))
	}
	return s.mknod(p, typ|uint32(mode), major, minor)
}

func (s *Server) mknod(p string, mode uint32, major, minor int) error {
	mode = mode&unix.S_IFMT | mode&0o7777&^s.umask
	dev := unix.Mkdev(uint32(major), uint32(minor))
	if err := s.view().Mknodat(cwd, p, mode, int(dev)); err != nil {
		return perror(err, "%s", p)
	}
	return nil
}

// Truncate makes a file empty.
func (s *Server) Truncate(ctx context.Context, a *rpc.TruncateArgs) error {
	return s.truncate(a.Path, 0)
}

// TruncateSize sets the size of a file in bytes.
func (s *Server) TruncateSize(ctx context.Context, a *rpc.TruncateSizeArgs) error {
	return s.truncate(a.Path, a.Size)
}

func (s *Server) truncate(p string, size int64) error {
	h, err := s.openPath(p, unix.O_WRONLY, 0)
	if err != nil {
		return perror(err, "open: %s", p)
	}
	if err = h.Truncate(size); err != nil {
		err = perror(err, "ftruncate: %s", p)
	}
	return h.closed(err)
}

// Umask sets the umask and returns that of before.
func (s *Server) Umask(ctx context.Context, a *rpc.UmaskArgs) (int, error) {
	if a.Mask < 0 || a.Mask > 0o777 {
		return 0, errorf("0%o: mask negative or out of range", uint32(a.Mask))
	}
	old := s.umask
	s.umask = uint32(a.Mask)
	return int(old), nil
}

// GetUmask returns the umask.
func (s *Server) GetUmask(ctx context.Context) (int, error) { return int(s.umask), nil }

// MklostAndFound makes the directory lost+found of a file system, with room for names.
func (s *Server) MklostAndFound(ctx context.Context, a *rpc.MklostAndFoundArgs) error {
	v := s.view()
	dir := strings.TrimRight(a.Mountpoint, "/") + "/lost+found"
	if err := v.Mkdirat(cwd, dir, 0o700); err != nil {
		return programError(err, "mklost+found: %s", dir)
	}
	// As mklost+found(8): fsck must not have to look for blocks, so the directory gets
	// some by holding files with long names for a while. 16 KiB are what it makes.
	const files, nameLen = 72, 246
	name := func(i int) string {
		return dir + "/" + strings.Repeat("x", nameLen-3) + string(rune('0'+i/10)) + string(rune('0'+i%10))
	}
	var first error
	for i := range files {
		if err := v.Mknodat(cwd, name(i), unix.S_IFREG|0o600, 0); err != nil {
			first = err
			break
		}
	}
	for i := range files {
		if err := v.Unlinkat(cwd, name(i), 0); err != nil && first == nil {
			first = err
		}
	}
	if first != nil {
		return perror(first, "mklost+found: %s", dir)
	}
	return nil
}
