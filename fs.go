package unboot

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// An FS is a tree of files in an image: a mounted file system, with others
// mounted into it maybe.
//
// It implements fs.FS, fs.StatFS, fs.ReadDirFS, fs.ReadFileFS, fs.ReadLinkFS,
// fs.GlobFS and fs.SubFS, and has the methods of os.Root.
type FS struct {
	t      *tree
	view   *lkl.View
	name   string      // path of its root in the tree
	sub    bool        // made by Sub or OpenRoot
	closed atomic.Bool // a sub
}

var (
	_ fs.StatFS     = (*FS)(nil)
	_ fs.ReadDirFS  = (*FS)(nil)
	_ fs.ReadFileFS = (*FS)(nil)
	_ fs.ReadLinkFS = (*FS)(nil)
	_ fs.GlobFS     = (*FS)(nil)
	_ fs.SubFS      = (*FS)(nil)
)

// allStat is the mask of all that statx(2) has to say.
const allStat = unix.STATX_BASIC_STATS | unix.STATX_BTIME

// maxRead bounds what ReadFile may return.
const maxRead = 1 << 60

// openFlags are added to those of each open(2): opening a FIFO must not wait.
const openFlags = unix.O_CLOEXEC | unix.O_NOCTTY | unix.O_NONBLOCK

// Image returns the image that the tree is in.
func (f *FS) Image() *Image { return f.t.img }

// View returns the kernel's system calls with the tree's root as "/", for what FS has no
// method. Its paths are the kernel's: absolute, with ".." and slashes at the end as
// they mean something to it. It must not be used once the tree is unmounted.
func (f *FS) View() *lkl.View { return f.view }

// Mounts returns what is mounted in the tree, the root first. Device is a
// device's Name.
func (f *FS) Mounts() []Mount {
	f.t.life.RLock()
	defer f.t.life.RUnlock()
	return slices.Clone(f.t.mounts)
}

// Problems returns, in words, what [Image.MountOS] has left out of the tree, and what is
// mounted although a part of it is missing.
func (f *FS) Problems() []string {
	f.t.life.RLock()
	defer f.t.life.RUnlock()
	return slices.Clone(f.t.problems)
}

// problem adds to what Problems returns.
func (f *FS) problem(format string, args ...any) {
	f.t.life.Lock()
	f.t.problems = append(f.t.problems, fmt.Sprintf(format, args...))
	f.t.life.Unlock()
}

// ReadOnly reports whether the root of the whole tree is mounted read-only at
// present: [FS.Remount] of the root changes it for the tree and every Sub of it.
func (f *FS) ReadOnly() bool {
	f.t.life.RLock()
	defer f.t.life.RUnlock()
	return f.t.mounts[0].ReadOnly
}

// Unmount writes everything and unmounts the tree, the last mounted first. The
// error says what could not be written. Files that are still open are closed:
// their methods return errors afterwards. Unmounting again returns nil, as
// does unmounting the result of [FS.Sub] or [FS.OpenRoot], which does nothing else.
func (f *FS) Unmount() error {
	if f.sub {
		return nil
	}
	f.t.img.mountMu.Lock()
	defer f.t.img.mountMu.Unlock()
	defer f.t.img.dropLoops()
	return f.t.unmount()
}

// begin starts a call; if it returns nil, t.end must follow.
func (f *FS) begin() error {
	if f.closed.Load() {
		return os.ErrClosed
	}
	return f.t.begin()
}

// call checks a path, and runs a call that has it as its subject. The path
// that do gets starts at the view's root.
func (f *FS) call(op, name string, do func(path string) error) error {
	err := fs.ErrInvalid
	if validPath(name) {
		if err = f.begin(); err == nil {
			mark := f.t.img.mark()
			err = f.t.img.explain(do("/"+name), mark, inodeAt(f.view, "/"+name))
			f.t.end()
		}
	}
	return f.pathError(op, name, err)
}

// pathError makes a *fs.PathError of an error that is not nil.
func (f *FS) pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: f.hinted(op, name, err)}
}

// Open opens a file for reading, as fs.FS. The file is a *[File].
func (f *FS) Open(name string) (fs.File, error) {
	file, err := f.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Stat returns the metadata of a file, an *[Entry]; of a symbolic link, that of
// its target. See stat(2).
func (f *FS) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, 0) }

// Lstat is Stat of a symbolic link itself, as lstat(2).
func (f *FS) Lstat(name string) (fs.FileInfo, error) {
	return f.stat("lstat", name, unix.AT_SYMLINK_NOFOLLOW)
}

func (f *FS) stat(op, name string, flags int) (fs.FileInfo, error) {
	e, err := f.entry(op, name, flags)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// entry returns a file's metadata.
func (f *FS) entry(op, name string, flags int) (*Entry, error) {
	e := newEntry(name)
	err := f.call(op, name, func(p string) error {
		return f.view.Statx(unix.AT_FDCWD, p, flags, allStat, &e.Stat)
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// newEntry returns an empty entry for a path.
func newEntry(name string) *Entry {
	dir, base := path.Split(name)
	return &Entry{name: base, dir: strings.TrimSuffix(dir, "/")}
}

// ReadLink returns the target of a symbolic link, as readlink(2).
func (f *FS) ReadLink(name string) (target string, err error) {
	err = f.call("readlink", name, func(p string) error {
		target, err = f.view.Readlink(unix.AT_FDCWD, p)
		return err
	})
	return target, err
}

// Readlink is ReadLink under the name that os.Root has for it.
func (f *FS) Readlink(name string) (string, error) { return f.ReadLink(name) }

// ReadDir returns the entries of a directory, sorted by name. They are
// *[Entry] and have their metadata.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	var list []fs.DirEntry
	var c circle
	for e, err := range f.Entries(name, nil) {
		if err != nil {
			return list, err
		}
		list = append(list, e)
		if err := c.check(len(list), func(i int) string { return list[i].Name() }); err != nil {
			return list, f.pathError("readdir", name, err)
		}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

// ReadFile returns the content of a file. A small one takes one round trip to
// the kernel.
func (f *FS) ReadFile(name string) (data []byte, err error) {
	err = f.call("read", name, func(p string) error {
		data, err = f.view.ReadFile(p, maxRead)
		return err
	})
	return data, err
}

// Glob returns the names of the files that match pattern, as fs.Glob.
func (f *FS) Glob(pattern string) ([]string, error) {
	return fs.Glob(noGlob{f}, pattern)
}

// A noGlob has the methods of an FS that fs.Glob wants, but not Glob, which
// would call itself.
type noGlob struct{ f *FS }

func (n noGlob) Open(name string) (fs.File, error)          { return n.f.Open(name) }
func (n noGlob) Stat(name string) (fs.FileInfo, error)      { return n.f.Stat(name) }
func (n noGlob) ReadDir(name string) ([]fs.DirEntry, error) { return n.f.ReadDir(name) }

// Statfs returns the sizes of the file system that name is in, as statfs(2).
func (f *FS) Statfs(name string) (*unix.Statfs_t, error) {
	var st unix.Statfs_t
	err := f.call("statfs", name, func(p string) error { return f.view.Statfs(p, &st) })
	if err != nil {
		return nil, err
	}
	return &st, nil
}

// Sync makes stable all that has been written to the tree, as syncfs(2) on each
// of its file systems. It reports errors of writing back.
func (f *FS) Sync() error {
	return f.call("sync", ".", func(string) error {
		root := f.t.img.k.Chroot(f.t.root)
		for _, m := range f.t.mounts {
			if err := syncDir(root, m.Dir); err != nil {
				return err
			}
		}
		return nil
	})
}
