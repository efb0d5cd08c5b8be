// Package landlock confines a thread, and the programs it starts, to parts of the host's
// file system, as landlock(7) of Linux has it.
package landlock

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Rules say what remains allowed. What does not exist, or cannot be reached, is left out.
type Rules struct {
	Read  []string // read and execute these files, and what is in these directories
	Write []string // do all else with these, too

	Connect bool // connect by TCP
}

// ErrUnsupported is returned where the host's kernel has no Landlock, or has it
// switched off.
var ErrUnsupported = errors.New("landlock: not available on this host")

const (
	read = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR
	// forFiles are the rights that a rule for anything but a directory may name.
	forFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// all returns what can be forbidden with a version of the interface.
func all(version int) unix.LandlockRulesetAttr {
	a := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_REFER - 1}
	if version >= 2 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if version >= 3 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if version >= 4 {
		a.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 5 {
		a.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if version >= 6 {
		a.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return a
}

// Available reports whether the host has Landlock.
func Available() bool {
	_, err := version()
	return err == nil
}

// Restrict confines the calling thread for good: files by the rules, and where the host
// can, no TCP unless they allow it, no abstract sockets and no signals to others. It sets no_new_privs. The
// goroutine must be locked to its thread (runtime.LockOSThread) and never unlock it, so
// that the thread ends with it.
func Restrict(r Rules) error {
	version, err := version()
	if err != nil {
		return ErrUnsupported
	}
	attr := all(version)
	if r.Connect {
		attr.Handled_access_net &^= unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	ruleset, err := create(&attr)
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	defer unix.Close(ruleset)
	for _, path := range r.Read {
		if err := allow(ruleset, path, read&attr.Handled_access_fs); err != nil {
			return fmt.Errorf("landlock: %s: %w", path, err)
		}
	}
	for _, path := range r.Write {
		if err := allow(ruleset, path, attr.Handled_access_fs); err != nil {
			return fmt.Errorf("landlock: %s: %w", path, err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("landlock: no_new_privs: %w", err)
	}
	if err := restrict(ruleset); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// allow adds a rule for a path.
func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT || err == unix.ENOTDIR || err == unix.EACCES {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= forFiles
	}
	return addRule(ruleset, &unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)})
}
