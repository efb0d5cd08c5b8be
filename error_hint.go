package unboot

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A hintError is an errno with what it means here.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() + ": " + e.hint }
func (e *hintError) Unwrap() error { return e.err }

// hinted adds to an errno what can be said of its reason, which for some is asked
// of the kernel.
func (f *FS) hinted(op, name string, err error) error {
	errno, ok := err.(unix.Errno)
	if !ok || f.t.img.k.Err() != nil || !validPath(name) {
		return err
	}
	hint := ""
	switch errno {
	case unix.EPERM:
		if hint = f.onlyFiles(op, name); hint == "" {
			hint = f.attributeHint(op, name)
		}
	case unix.EINVAL:
		hint = f.nameHint(name)
	case unix.ENOENT:
		if hint = f.nameHint(name); hint == "" && followsLinks[op] {
			hint = f.linkHint(name)
		}
	case unix.EMFILE:
		hint = f.limitHint()
	}
	if hint == "" {
		return err
	}
	return &hintError{err, hint}
}

// hinted2 is hinted for an operation with two paths.
func (f *FS) hinted2(op, oldname, newname string, err error) error {
	if op == "rename" && errors.Is(err, unix.EINVAL) && strings.HasPrefix(newname, oldname+"/") {
		return &hintError{err, "a directory cannot be moved into itself"}
	}
	was := err
	if op != "symlink" { // where it is any text
		err = f.hinted(op, oldname, err)
	}
	if err == was {
		err = f.hinted(op, newname, err)
	}
	return err
}

// onlyFiles says what file systems of the FAT family lack.
func (f *FS) onlyFiles(op, name string) string {
	fstype := f.typeAt(name)
	if fstype != "vfat" && fstype != "exfat" && fstype != "msdos" {
		return ""
	}
	switch op {
	case "symlink", "link", "mknod", "put", "chown", "lchown", "chmod", "setmetadata":
		return fstype + " has only plain files and directories, no links or devices, and one owner for all"
	}
	return ""
}

// attributeHint says which flag of chattr(1) forbids what was tried: the file's, or
// that of the directory where it has its name.
func (f *FS) attributeHint(op, name string) string {
	for _, p := range []string{name, path.Dir(name)} {
		what := "it is"
		if p != name {
			what = "its directory is"
		}
		var st unix.Statx_t
		if f.view.Statx(unix.AT_FDCWD, "/"+p, 0, unix.STATX_TYPE, &st) != nil {
			continue
		}
		switch {
		case st.Attributes&unix.STATX_ATTR_IMMUTABLE != 0:
			return what + " immutable, see chattr(1)"
		case st.Attributes&unix.STATX_ATTR_APPEND != 0:
			return what + " append-only, see chattr(1)"
		}
		switch op { // these do not change the directory
		case "open", "read", "write", "truncate", "chmod", "chown", "chtimes", "setxattr", "removexattr":
			return ""
		}
	}
	return ""
}

// nameHint says which character of a name a file system of Windows does not take.
func (f *FS) nameHint(name string) string {
	fstype := f.typeAt(name)
	if fstype != "vfat" && fstype != "exfat" && fstype != "msdos" {
		return ""
	}
	for elem := range strings.SplitSeq(name, "/") {
		for _, c := range elem {
			if c < ' ' || strings.ContainsRune(`"*:<>?\|`, c) {
				return fmt.Sprintf("%s has no names with %q", fstype, c)
			}
		}
		if strings.TrimRight(elem, ". ") == "" && name != "." {
			return fstype + " has no names of dots and spaces alone"
		}
	}
	return ""
}

// followsLinks are the operations on what a symbolic link leads to.
var followsLinks = map[string]bool{
	"open": true, "read": true, "write": true, "stat": true, "readdir": true, "truncate": true,
	"chmod": true, "chown": true, "chtimes": true, "sub": true, "openroot": true, "statfs": true,
}

// linkHint says where a symbolic link leads that leads nowhere.
func (f *FS) linkHint(name string) string {
	target, err := f.view.Readlink(unix.AT_FDCWD, "/"+name)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("it is a symbolic link to %q, which does not exist", target)
}

// limitHint says how many files are open, when that is too many. The limit itself
// cannot be read then.
func (f *FS) limitHint() string {
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	return fmt.Sprintf("its kernel cannot have more, and %d are open in this tree", len(f.t.files))
}

// typeAt returns the type of the file system that a path leads to, links aside.
func (f *FS) typeAt(name string) string {
	if f.sub {
		name = join(f.name, name)
	}
	f.t.life.RLock()
	defer f.t.life.RUnlock()
	fstype, longest := "", -1
	for _, m := range f.t.mounts {
		inside := m.Dir == "." || m.Dir == "" || name == m.Dir || strings.HasPrefix(name, m.Dir+"/")
		if n := len(strings.TrimPrefix(m.Dir, ".")); inside && n >= longest {
			fstype, longest = m.Type, n
		}
	}
	return fstype
}
