package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A record is a file that the process of a mount has locked as long as it lives, so that "unboot
// umount" can wait for it, and in which it leaves what went wrong at the end. It is named by the
// mount's device number. Where there is no place for such files, nobody waits.
type record struct {
	f    *os.File
	path string
}

// recordDir returns the directory of records, which is the user's alone.
func recordDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" && filepath.IsAbs(dir) {
		return filepath.Join(dir, "unboot")
	}
	if os.Geteuid() == 0 {
		return "/run/unboot"
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("unboot-%d", os.Geteuid()))
}

// newRecord makes the record of a directory that was mounted, or returns nil.
func newRecord(dir string) *record {
	var st unix.Stat_t
	folder := recordDir()
	if unix.Stat(dir, &st) != nil {
		return nil
	}
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil
	}
	if !ownedByUs(folder) {
		return nil
	}
	path := filepath.Join(folder, fmt.Sprintf("mount-%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	os.Remove(path) // of a process that was killed
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	return &record{f, path}
}

// ownedByUs reports whether a directory is one that others cannot put files into.
func ownedByUs(dir string) bool {
	var st unix.Stat_t
	return unix.Lstat(dir, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && st.Uid == uint32(os.Geteuid()) && st.Mode&0o022 == 0
}

// finish leaves what went wrong, and lets those go on who wait.
func (r *record) finish(err error) {
	if r == nil {
		return
	}
	if err != nil {
		io.WriteString(r.f, err.Error())
	}
	os.Remove(r.path)
	r.f.Close()
}

// openRecord opens the record of a mount by its device number, or returns nil.
func openRecord(dev string) *record {
	folder := recordDir()
	if !ownedByUs(folder) {
		return nil
	}
	path := filepath.Join(folder, "mount-"+dev)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	return &record{f, path}
}

// wait waits for the process of the mount, and returns what went wrong there.
func (r *record) wait() string {
	if r == nil {
		return ""
	}
	for unix.Flock(int(r.f.Fd()), unix.LOCK_SH) == unix.EINTR {
	}
	said, _ := io.ReadAll(io.LimitReader(r.f, 1<<16))
	return string(said)
}

func (r *record) close() {
	if r != nil {
		r.f.Close()
	}
}
