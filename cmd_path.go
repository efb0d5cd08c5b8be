package unboot

import (
	"debug/elf"
	"fmt"
	"io/fs"
	"os/exec"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// LookPath searches for an executable file in the directories of path, which are separated by
// colons as in PATH; if path is empty, in the usual ones. A name with a slash is that of a
// file, from the root of the tree. Symbolic links are followed inside the tree. Relative
// directories in path are ignored. The error is an *exec.Error, which wraps exec.ErrNotFound
// if there is none.
func (f *FS) LookPath(file, path string) (string, error) {
	if err := f.begin(); err != nil {
		return "", &exec.Error{Name: file, Err: err}
	}
	defer f.t.end()
	return lookPath(f.view, file, path)
}

func lookPath(v *lkl.View, file, dirs string) (string, error) {
	if dirs == "" {
		dirs = defaultPath
	}
	if strings.Contains(file, "/") {
		full := absolute(CleanPath(file))
		if err := executable(v, full); err != nil {
			return "", &exec.Error{Name: file, Err: err}
		}
		return full, nil
	}
	for dir := range strings.SplitSeq(dirs, ":") {
		full := path.Join(dir, file)
		if strings.HasPrefix(dir, "/") && file != "" && executable(v, full) == nil {
			return full, nil
		}
		if v.Kernel().Err() != nil {
			break
		}
	}
	if err := v.Kernel().Err(); err != nil {
		return "", &exec.Error{Name: file, Err: err}
	}
	return "", &exec.Error{Name: file, Err: exec.ErrNotFound}
}

// executable reports whether a path leads to a file that somebody may execute.
func executable(v *lkl.View, p string) error {
	var st unix.Statx_t
	// Not access(2): this side's mounts let nothing be executed.
	if err := v.Statx(unix.AT_FDCWD, p, 0, unix.STATX_TYPE|unix.STATX_MODE, &st); err != nil {
		return err
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return unix.EISDIR
	case st.Mode&unix.S_IFMT != unix.S_IFREG, st.Mode&0o111 == 0:
		return unix.EACCES
	}
	return nil
}

// lookPath returns the absolute path of the command's program.
func (c *Cmd) lookPath(env []string) (string, error) {
	name := c.Path
	if name == "" {
		name = c.Args[0]
	}
	switch {
	case strings.HasPrefix(name, "/"):
		return name, nil
	case strings.Contains(name, "/"):
		return path.Join("/", c.Dir, name), nil
	case c.f == nil:
		return c.lookTool(name, lookEnv(env, "PATH"))
	}
	return lookPath(c.f.view, name, lookEnv(env, "PATH"))
}

// maxStart is how much of a program is looked at for a hint.
const maxStart = 4096

// execError says what an errno is about that execve(2), or what comes before it, has ended
// with.
func (c *Cmd) execError(x *lkl.Exec, err unix.Errno) error {
	if c.f != nil && (err == unix.ENOENT || err == unix.ENOTDIR) {
		var st unix.Statx_t
		if e := c.f.view.Statx(unix.AT_FDCWD, x.Dir+"/.", 0, unix.STATX_TYPE, &st); e != nil {
			return &fs.PathError{Op: "chdir", Path: x.Dir, Err: e}
		}
		for _, m := range c.Mounts {
			target := absolute(CleanPath(m.Target))
			if e := c.f.view.Statx(unix.AT_FDCWD, target, 0, unix.STATX_TYPE, &st); e != nil && !m.Optional {
				return &fs.PathError{Op: "mount", Path: target, Err: e}
			}
		}
	}
	return &fs.PathError{Op: "exec", Path: x.File, Err: c.execHint(x.File, err)}
}

// execHint adds to an error of execve(2) what the file says of its reason.
func (c *Cmd) execHint(file string, err error) error {
	if c.f == nil || err != unix.ENOENT && err != unix.ENOEXEC && err != unix.EACCES {
		return err
	}
	if hint := startHint(c.firstBytes(file), err == unix.ENOENT); hint != "" {
		return &hintError{err, hint}
	}
	return err
}

// startHint says what the first bytes of a program tell of why it was not executed: missing
// is for a file that it names and that is not there.
func startHint(start []byte, missing bool) string {
	if name := interpreterOf(start); name != "" && missing {
		return fmt.Sprintf("its interpreter is %.200q", name)
	}
	a, ok := architectureOf(start)
	switch {
	case !ok:
		return ""
	case a.emulator() != "":
		return fmt.Sprintf("it is a program for %s, for which the host needs %s", strings.TrimPrefix(a.machine.String(), "EM_"), a.emulator())
	case a.machine != native.machine:
		return fmt.Sprintf("it is a program for %s", strings.TrimPrefix(a.machine.String(), "EM_"))
	case a.class == elf.ELFCLASS32:
		return "it is a program for the x32 ABI"
	case missing:
		return "its dynamic loader is missing"
	}
	return ""
}
