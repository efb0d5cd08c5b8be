package treecopy

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// permissions are the bits to set: without the owner they were for, setuid and
// setgid would give that owner's rights to others.
func (s *HostSink) permissions(m *unboot.Metadata) uint32 {
	perm := unboot.UnixMode(m.Mode) & 0o7777
	if !s.Chown {
		perm &^= unix.S_ISUID | unix.S_ISGID
	}
	return perm
}

// setOpen sets the metadata of an open file. Owners come before permissions and
// attributes: chown(2) takes setuid and capabilities away.
func (s *HostSink) setOpen(p string, f *os.File, m *unboot.Metadata) error {
	fd := int(f.Fd())
	if s.Chown {
		if err := unix.Fchown(fd, m.UID, m.GID); err != nil {
			return fmt.Errorf("set the owner: %w", err)
		}
	}
	if err := unix.Fchmod(fd, s.permissions(m)); err != nil {
		return fmt.Errorf("set the mode: %w", err)
	}
	for name, value := range m.Xattrs {
		if err := unix.Fsetxattr(fd, name, value, 0); err != nil {
			s.Report.lost(s.label(p), name, err)
		}
	}
	// futimens(3), which package unix has no name for.
	ts := times(m)
	return unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fd), ts, 0)
}

// setNode sets the metadata of what cannot be opened without consequences.
func (s *HostSink) setNode(p string, dirfd int, base string, m *unboot.Metadata) error {
	if s.Chown {
		if err := unix.Fchownat(dirfd, base, m.UID, m.GID, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("set the owner: %w", err)
		}
	}
	link := m.Mode&fs.ModeSymlink != 0
	if !link {
		// Made by this process and not a link. Whoever could change that
		// owns the directory.
		if err := unix.Fchmodat(dirfd, base, s.permissions(m), 0); err != nil {
			return fmt.Errorf("set the mode: %w", err)
		}
	}
	for name, value := range m.Xattrs {
		if err := unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", dirfd, base), name, value, 0); err != nil {
			s.Report.lost(s.label(p), name, err)
		}
	}
	return unix.UtimesNanoAt(dirfd, base, times(m), unix.AT_SYMLINK_NOFOLLOW)
}

func times(m *unboot.Metadata) []unix.Timespec {
	ts := func(t time.Time) unix.Timespec {
		if t.IsZero() {
			return unix.Timespec{Nsec: unix.UTIME_OMIT}
		}
		return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
	}
	return []unix.Timespec{ts(m.Atime), ts(m.Mtime)}
}
