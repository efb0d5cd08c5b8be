package augeas

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Augeas keeps the old file under a name, or writes the new one under another, beside it.
const (
	savedSuffix = ".augsave"
	newSuffix   = ".augnew"
)

// copyOut writes to the guest what has changed. It goes on after an error, and returns
// the first, which names the file.
func (a *files) copyOut(ctx context.Context) error {
	names, err := a.list()
	if err != nil {
		return err
	}
	// The old ones first.
	slices.SortStableFunc(names, func(x, y string) int {
		switch sx, sy := filepath.Ext(x) == savedSuffix, filepath.Ext(y) == savedSuffix; {
		case sx && !sy:
			return -1
		case sy && !sx:
			return 1
		}
		return strings.Compare(x, y)
	})
	var first error
	fail := func(name string, err error) {
		if err != nil && first == nil {
			first = &FileError{a.path(name), err}
		}
	}
	for _, name := range names {
		fail(name, a.putOut(name))
	}
	for name := range a.copies {
		if _, err := a.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			if err := a.remove(name); err != nil && !errors.Is(err, unix.ENOENT) {
				fail(name, err)
				continue
			}
			delete(a.copies, name)
		}
	}
	return first
}

// remove removes a file of the guest. As Augeas does it, a link to it stays.
func (a *files) remove(name string) error {
	if !a.g.Mounted() {
		return errUnmounted
	}
	p, err := a.g.Realpath(a.path(name))
	if err != nil {
		return err
	}
	return a.g.Remove(p)
}

// errUnmounted is the error of a save after umount: a handle outlives that.
var errUnmounted = errors.New("nothing is mounted any more")

// putOut writes a file to the guest, if it has changed.
func (a *files) putOut(name string) error {
	data, err := a.read(name)
	if err != nil {
		return err
	}
	now := copyOf(data)
	was, copied := a.copies[name]
	if copied && was == now {
		return nil
	}
	if !a.g.Mounted() {
		return errUnmounted
	}
	if why, ok := a.skipped[name]; ok {
		return errors.New("it cannot be written: " + why)
	}
	switch {
	case copied || a.beside(name) != "" && a.is(name, unix.S_IFREG):
		err = a.overwrite(name, data)
	case a.is(name, unix.S_IFLNK) && a.dangles(name):
		// As Augeas does it, a file takes the place of a link that leads nowhere.
		if err = a.g.Remove(a.path(name)); err != nil {
			break
		}
		fallthrough
	default:
		err = a.create(name, data)
	}
	if err == nil {
		a.copies[name] = now
	}
	return err
}

// beside returns the file of which one is the old or the new version, or "".
func (a *files) beside(name string) string {
	switch filepath.Ext(name) {
	case savedSuffix, newSuffix:
		return name[:len(name)-len(filepath.Ext(name))]
	}
	return ""
}

// is reports whether there is something of a type in the guest.
func (a *files) is(name string, typ uint16) bool {
	st, err := a.g.Lstat(a.path(name))
	return err == nil && fileType(&st) == typ
}

// dangles reports whether a link leads to nothing.
func (a *files) dangles(name string) bool {
	_, err := a.g.Stat(a.path(name))
	return errors.Is(err, unix.ENOENT)
}

// overwrite writes to a file of the guest. It stays the same one, with its owner, mode
// and attributes.
func (a *files) overwrite(name string, data []byte) error {
	h, st, err := a.open(name, unix.O_WRONLY|unix.O_CREAT, a.g.Perm())
	if err != nil {
		return err
	}
	if fileType(&st) != unix.S_IFREG {
		err = unix.EEXIST
	}
	if err == nil {
		// The file is cut off at the end, not emptied first: a disk without room for the
		// new content does not lose the beginning of the old one.
		if _, err = h.WriteAt(data, 0); err == nil {
			err = h.Truncate(int64(len(data)))
		}
	}
	if cerr := h.Close(); err == nil {
		err = cerr
	}
	return err
}

// create makes a file of the guest. What is there stays as it is.
func (a *files) create(name string, data []byte) error {
	perm, owner := a.g.Perm(), [2]int{-1, -1}
	if base := a.beside(name); base != "" {
		if st, err := a.g.Stat(a.path(base)); err == nil {
			perm, owner = uint32(st.Mode)&0o7777, [2]int{int(st.Uid), int(st.Gid)}
		}
	}
	h, _, err := a.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = h.WriteAt(data, 0)
	if err == nil && owner[0] >= 0 {
		err = h.Chown(owner[0], owner[1])
	}
	if err == nil {
		err = h.Chmod(perm)
	}
	if cerr := h.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		a.g.Remove(a.path(name))
	}
	return err
}
