package hv

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/appliance"
)

// Env is what makes programs that use libguestfs use unboot.
type Env struct {
	HV   string // host path of a program that takes no arguments to be one
	Path string // directory with the files that libguestfs takes for an appliance
}

// Variables returns the environment, each "NAME=VALUE".
func (e Env) Variables() []string {
	v := []string{"LIBGUESTFS_BACKEND=direct", "LIBGUESTFS_HV=" + e.HV}
	if e.Path != "" {
		v = append(v, "LIBGUESTFS_PATH="+e.Path)
	}
	return v
}

// applianceFiles are the names of files that libguestfs looks for, but does not look into.
func applianceFiles() []string {
	f := appliance.OldIn("")
	return []string{f.Kernel, f.Initrd}
}

// FindEnv returns the environment for a program, which is this one. A package installs
// what it takes next to the program, in ../lib/unboot: the two empty files, and a link
// unboot-hv to the program. Without that, a directory with them is made where the user
// keeps what does not outlive a session: in $XDG_RUNTIME_DIR, or else in $TMPDIR or
// /tmp, for the user alone.
func FindEnv(program string) (Env, error) {
	program, err := filepath.EvalSymlinks(program)
	if err != nil {
		return Env{}, err
	}
	packaged := filepath.Join(filepath.Dir(program), "..", "lib", "unboot")
	if usable(packaged, program) {
		return newEnv(filepath.Clean(packaged)), nil
	}
	base, err := userDir()
	if err != nil {
		return Env{}, err
	}
	// A name for each program, so that two versions do not take turns.
	sum := sha256.Sum256([]byte(program))
	dir := filepath.Join(base, fmt.Sprintf("hv-%x", sum[:4]))
	return newEnv(dir), makeDir(dir, program)
}

// newEnv returns the environment of a directory. With UNBOOT_HV_FALLBACK libguestfs has
// to find its own appliance.
func newEnv(dir string) Env {
	e := Env{HV: filepath.Join(dir, Name), Path: dir}
	if Fallback() {
		e.Path = ""
	}
	return e
}

// usable reports whether all that it takes is in a directory.
func usable(dir, program string) bool {
	target, err := filepath.EvalSymlinks(filepath.Join(dir, Name))
	if err != nil || target != program {
		return false
	}
	for _, name := range applianceFiles() {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return false
		}
	}
	return true
}

// userDir returns a directory that only the user can write to, and makes it.
func userDir() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("unboot-%d", os.Geteuid()))
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" && private(run) == nil {
		dir = filepath.Join(run, "unboot")
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", err
	}
	return dir, private(dir)
}

// private returns an error unless a directory is the user's, and no other user can write
// to it. A symbolic link is not one.
func private(dir string) error {
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: dir, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFDIR:
		return fmt.Errorf("%s is not a directory", dir)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to somebody else", dir)
	case st.Mode&0o022 != 0:
		return fmt.Errorf("others can write to %s", dir)
	}
	return nil
}

// makeDir makes the directory with the files and the link.
func makeDir(dir, program string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	if err := private(dir); err != nil {
		return err
	}
	for _, name := range applianceFiles() {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW, 0o644)
		if err != nil {
			return err
		}
		f.Close()
	}
	link := filepath.Join(dir, Name)
	if target, err := os.Readlink(link); err == nil && target == program {
		return nil
	}
	// Made beside and renamed, for others may make it too.
	tmp, err := os.MkdirTemp(dir, "link")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Symlink(program, filepath.Join(tmp, Name)); err != nil {
		return err
	}
	return os.Rename(filepath.Join(tmp, Name), link)
}

// Quote returns s as a word of the shell.
func Quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
