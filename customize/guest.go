package customize

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/glob"
	"github.com/unboot/unboot/internal/treecopy"
)

// A Guest is a mounted operating system.
type Guest struct {
	// FS is its tree, mounted for writing, with all that belongs to it.
	FS *unboot.FS
	// System is what package inspect knows of the tree.
	System *inspect.System
	// Runner runs programs of the guest. It may be nil.
	Runner Runner
	// Say is called with what is about to be done, in words, and Warn with what could
	// not be done and is left out. Either may be nil. Neither is told a secret.
	Say, Warn func(text string)
	// Reveal is called with each random password after it was set.
	Reveal func(user, password string)
	// Template says that copies will be made of the guest, so that it must not have a
	// machine ID.
	Template bool
}

func (g *Guest) say(format string, args ...any) {
	if g.Say != nil {
		g.Say(fmt.Sprintf(format, args...))
	}
}

func (g *Guest) warn(format string, args ...any) {
	if g.Warn != nil {
		g.Warn(fmt.Sprintf(format, args...))
	}
}

// is reports whether the guest is of one of some distributions, as inspection names them.
func (g *Guest) is(distros ...string) bool {
	for _, d := range distros {
		if g.System.Type == inspect.Linux && g.System.Distro == d {
			return true
		}
	}
	return false
}

// redHat are the distributions that are made like Red Hat's.
var redHat = []string{
	"fedora", "rhel", "centos", "scientificlinux", "oraclelinux", "rocky", "almalinux", "redhat-based",
	"openeuler", "kylin", "neokylin", "anolis",
}

var (
	debian = []string{"debian", "ubuntu", "kalilinux", "linuxmint"}
	suse   = []string{"opensuse", "sles", "suse-based"}
)

// maxText is how many bytes a file of the guest may have that is read as a whole.
const maxText = 64 << 20

var errNotRegular = errors.New("not a regular file")

// read returns the content of a regular file, to which symbolic links may lead.
func (g *Guest) read(name string) ([]byte, error) { return g.readMax(name, maxText) }

func (g *Guest) readMax(name string, limit int64) ([]byte, error) {
	name = unboot.CleanPath(name)
	st, err := g.FS.Stat(name)
	switch {
	case err != nil:
		return nil, about(name, err)
	case !st.Mode().IsRegular():
		return nil, about(name, errNotRegular)
	case st.Size() > limit:
		return nil, about(name, unix.EFBIG)
	}
	data, err := g.FS.ReadFile(name)
	return data, about(name, err)
}

// readIf is read of a file that may be missing.
func (g *Guest) readIf(name string) (data []byte, ok bool, err error) {
	data, err = g.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return data, err == nil, err
}

// write replaces a file, or makes one with a mode. What exists keeps all its metadata but
// the times.
func (g *Guest) write(name string, data []byte, perm fs.FileMode) error {
	return g.replace(name, bytes.NewReader(data), &unboot.Metadata{Mode: perm, UID: -1, GID: -1, Size: int64(len(data))}, nil)
}

// replace replaces a file by what is read from r. The metadata is that of the old file, or
// fresh if there was none, as change, if not nil, changes it.
func (g *Guest) replace(name string, r io.Reader, fresh *unboot.Metadata, change func(*unboot.Metadata)) error {
	name = unboot.CleanPath(name)
	real, err := treecopy.RealPathNew(g.FS, name)
	if err != nil {
		return about(name, err)
	}
	m, err := g.FS.Metadata(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m = fresh
	case err != nil:
		return about(name, err)
	case m.Mode.IsDir():
		return about(name, unix.EISDIR)
	case !m.Mode.IsRegular():
		return about(name, errNotRegular)
	}
	m.Atime, m.Mtime, m.Size = time.Time{}, time.Time{}, fresh.Size
	if change != nil {
		change(m)
	}
	return about(name, g.swap(real, func(fresh string) error { return g.FS.Put(fresh, m, r) }))
}

// swap makes a file under a name of its own beside another, and renames it over that one.
// If anything fails the old file is as it was.
func (g *Guest) swap(real string, make func(name string) error) error {
	fresh := path.Join(path.Dir(real), ".unboot-"+g.token())
	err := make(fresh)
	if err == nil {
		err = g.sync(fresh)
	}
	if err == nil {
		err = g.FS.Rename(fresh, real)
	}
	if err != nil {
		// It may not exist.
		_ = g.FS.Remove(fresh)
	}
	return err
}

// sync has the content of a new file written to the disk before it gets its name: not all
// file systems keep this order.
func (g *Guest) sync(name string) error {
	st, err := g.FS.Lstat(name)
	if err != nil || !st.Mode().IsRegular() {
		return err
	}
	f, err := g.FS.OpenFile(name, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// token returns a name that nobody can guess.
func (g *Guest) token() string {
	var b [8]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// symlink makes a symbolic link, or has one that is there lead elsewhere, as `ln -sf`.
func (g *Guest) symlink(target, name string) error {
	name = unboot.CleanPath(name)
	if g.isDir(name) {
		name = path.Join(name, path.Base(target))
	}
	dir, err := treecopy.RealPath(g.FS, path.Dir(name))
	if err != nil {
		return about(name, err)
	}
	real := path.Join(dir, path.Base(name))
	return about(name, g.swap(real, func(fresh string) error { return g.FS.Symlink(target, fresh) }))
}

// mkdir makes a directory and those above it, as `mkdir -p`.
func (g *Guest) mkdir(name string) error {
	name = unboot.CleanPath(name)
	return about(name, g.FS.MkdirAll(name, 0o755))
}

// remove removes a file that may be missing.
func (g *Guest) remove(name string) error {
	name = unboot.CleanPath(name)
	err := g.FS.Remove(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return about(name, err)
}

func (g *Guest) exists(name string) bool {
	_, err := g.FS.Stat(unboot.CleanPath(name))
	return err == nil
}

func (g *Guest) isDir(name string) bool {
	st, err := g.FS.Stat(unboot.CleanPath(name))
	return err == nil && st.IsDir()
}

func (g *Guest) isFile(name string) bool {
	st, err := g.FS.Stat(unboot.CleanPath(name))
	return err == nil && st.Mode().IsRegular()
}

// Glob returns the paths, which begin with a slash, that a pattern matches: glob(7), and
// braces.
func (g *Guest) Glob(ctx context.Context, pattern string) ([]string, error) {
	var all []string
	for _, p := range glob.Braces(pattern) {
		list, err := glob.Find(ctx, globTree{g}, p)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

type globTree struct{ g *Guest }

func (t globTree) Exists(name string) bool {
	_, err := t.g.FS.Lstat(unboot.CleanPath(name))
	return err == nil
}

func (t globTree) IsDir(name string) bool { return t.g.isDir(name) }

func (t globTree) Names(dir string) ([]string, error) {
	list, err := t.g.FS.ReadDir(unboot.CleanPath(dir))
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names, err
}

// about returns an error with the path as users know it, and without the operation.
func about(name string, err error) error {
	if err == nil {
		return nil
	}
	var pe *fs.PathError
	if errors.As(err, &pe) && err == error(pe) {
		err = pe.Err
	}
	return &pathError{"/" + strings.TrimPrefix(unboot.CleanPath(name), "."), err}
}

// A pathError is an error about a file of the guest. An inner one is more precise.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string {
	var inner *pathError
	if errors.As(e.err, &inner) {
		return e.err.Error()
	}
	return fmt.Sprintf("%s: %v", printable(e.path), e.err)
}

func (e *pathError) Unwrap() error { return e.err }

// printable returns a name for a message: that of a file may have any bytes.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// ReadFile returns the content of a regular file of at most 64 MiB, to which symbolic links
// may lead.
func (g *Guest) ReadFile(name string) ([]byte, error) { return g.read(name) }

// WriteFile replaces the content of a file, which keeps its metadata but for the times, or
// makes one with the permissions perm. The old or the new content is there, whatever
// happens meanwhile.
func (g *Guest) WriteFile(name string, data []byte, perm fs.FileMode) error {
	return g.write(name, data, perm)
}

// EditLines removes lines of a file, which drop gets without their ends. A file that has
// none is not written.
func (g *Guest) EditLines(name string, drop func(line string) bool) error {
	data, err := g.read(name)
	if err != nil {
		return err
	}
	if left := dropLines(data, drop); len(left) < len(data) {
		return g.write(name, left, 0o644)
	}
	return nil
}
