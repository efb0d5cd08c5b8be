package unboot

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// RemoveAll removes a file, or a directory and all below it, as far as it can,
// and returns the first error. It does not follow symbolic links, and does not
// go into other file systems mounted below. It is not an error if name does not
// exist; to remove "." is one.
func (f *FS) RemoveAll(name string) error {
	if name == "." {
		return f.pathError("removeall", name, fs.ErrInvalid)
	}
	err := f.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
		return err
	}
	e, err := f.entry("removeall", name, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	return f.removeTree(name, e)
}

// removeTree removes a directory that is not empty. A directory changes as
// names are removed from it, and reading on may miss some, so it is read again
// until nothing is left, or nothing that can be removed.
func (f *FS) removeTree(dir string, self *Entry) error {
	for {
		var files []string
		var dirs []*Entry
		for e, err := range f.Entries(dir, nil) {
			if err != nil {
				return err
			}
			if e.IsDir() {
				dirs = append(dirs, e)
			} else {
				files = append(files, e.Path())
			}
			if len(files)+len(dirs) == removeBatch {
				break
			}
		}
		full := len(files)+len(dirs) == removeBatch
		first := f.unlink(files)
		for _, e := range dirs {
			err := f.removeSub(e, self)
			if first == nil {
				first = err
			}
		}
		switch {
		case first != nil:
			return first
		case !full:
			return f.Remove(dir)
		}
	}
}

// removeBatch is how many names are read before they are removed.
const removeBatch = 1024

// removeSub removes a subdirectory of self, unless a file system is mounted on
// it.
func (f *FS) removeSub(e, self *Entry) error {
	if err := f.Remove(e.Path()); !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if e.Stat.Dev_major != self.Stat.Dev_major || e.Stat.Dev_minor != self.Stat.Dev_minor {
		// A subvolume is a device of its own, and says so here; it is to be
		// deleted, not emptied.
		return f.pathError("removeall", e.Path(), unix.EXDEV)
	}
	return f.removeTree(e.Path(), e)
}

// unlink removes files, many in a round trip.
func (f *FS) unlink(names []string) (first error) {
	const most = 64
	c := f.view.NewChain()
	for len(names) > 0 {
		n := min(len(names), most)
		c.Reset()
		for _, name := range names[:n] {
			c.Unlinkat(unix.AT_FDCWD, "/"+name, 0)
		}
		if err := f.begin(); err != nil {
			return f.pathError("remove", names[0], err)
		}
		mark := f.t.img.mark()
		err := f.t.img.explain(c.Run(), mark, noInode)
		f.t.end()
		done := n
		if err != nil {
			// The chain ended at one that failed: it is the last to have
			// a result of its own.
			for done = 0; done < n; done++ {
				if _, e := c.Result(lkl.Link(done)); e != nil {
					break
				}
			}
			if !errors.Is(err, fs.ErrNotExist) && first == nil {
				first = f.pathError("remove", names[min(done, n-1)], err)
			}
			done = min(done+1, n)
		}
		names = names[done:]
	}
	return first
}
