package desttree

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// A Tree is a directory of an image that a tree is written to. It finds the real place
// of each directory of that tree: symbolic links that the image has are followed as the
// image's own system would, from its root; those that this run has made cannot lead out
// of the directory, as an archive might want. It is for one goroutine.
//
// Paths in the tree are called rel here, those in the FS p.
type Tree struct {
	// Wait, if not nil, waits until what is on its way to a path is there.
	Wait func(d *Dir, p string)
	// Fail reports what is lost of a directory: its name, as the file system takes
	// it for another's.
	Fail func(rel string, err error)
	// Perm is the permissions of directories that nothing says those of.
	Perm fs.FileMode

	fs    *unboot.FS
	base  string
	names *Names
	dirs  map[string]*Dir  // by path in the tree
	used  map[string]bool  // real paths of those, and of links on the way to them
	links map[string]bool  // made by this run, if they could lead out of base
	kinds map[uint64]*Kind // by device
}

// A Dir is a directory that is written to.
type Dir struct {
	Path  string // without symbolic links
	Kind  *Kind
	Folds bool // names that differ in case, or the like, are one
	Fresh bool // made by this run: all that is in it was put there by it
}

// Key returns a key that is the same for two paths in the directory that may be one
// file. It is not known of every path.
func (d *Dir) Key(p string) (key string, ok bool) {
	switch {
	case !d.Folds:
		return p, true
	case d.Kind.unsteady: // a FAT
		key, _, ok = foldKey(p)
		return key, ok
	}
	return "", false
}

// New returns a Tree at a directory of an FS, given by a path without symbolic links.
// Names written there by others in the same run are in names.
func New(fsys *unboot.FS, base string, names *Names) *Tree {
	t := &Tree{Perm: 0o755, fs: fsys, base: base, names: names, links: map[string]bool{}, kinds: map[uint64]*Kind{}}
	t.Forget()
	return t
}

// Forget drops what is known of directories, as something has changed that they
// were found by.
func (t *Tree) Forget() { t.dirs, t.used = map[string]*Dir{}, map[string]bool{} }

// Used reports whether a path is a directory that files were written to, or a link on
// the way to one. Before it becomes something else the Tree is to Forget.
func (t *Tree) Used(p string) bool { return t.used[p] }

// Dir returns a directory of the tree. What is missing is made, as archives leave
// directories out, if make says so.
func (t *Tree) Dir(rel string, make bool) (*Dir, error) {
	if d := t.dirs[rel]; d != nil {
		return d, nil
	}
	if rel == "." {
		d, err := t.existing(t.base)
		if err == nil {
			t.keep(rel, d)
		}
		return d, err
	}
	parent, err := t.Dir(path.Dir(rel), make)
	if err != nil {
		return nil, err
	}
	p := path.Join(parent.Path, path.Base(rel))
	d, e, err := t.Look(parent, rel)
	switch {
	case err != nil || d != nil:
		return d, err
	case e != nil && e.Type() == fs.ModeSymlink:
		return nil, fmt.Errorf("/%s is a symbolic link to no directory: %w", p, unix.ENOTDIR)
	case e != nil:
		return nil, &fs.PathError{Op: "open", Path: p, Err: unix.ENOTDIR}
	case !make:
		return nil, &fs.PathError{Op: "open", Path: p, Err: unix.ENOENT}
	}
	if err := t.fs.Mkdir(p, t.Perm); err != nil {
		return nil, err
	}
	return t.Made(parent, rel)
}

func (t *Tree) keep(rel string, d *Dir) {
	t.dirs[rel] = d
	t.used[d.Path] = true
}

// Made notes a directory that was just made.
func (t *Tree) Made(parent *Dir, rel string) (*Dir, error) {
	d := &Dir{Path: path.Join(parent.Path, path.Base(rel)), Kind: parent.Kind, Folds: parent.Folds, Fresh: true}
	if parent.Folds {
		if parent.Kind.unsteady {
			d.Path = fatName(d.Path)
		}
		if err := t.names.record(parent, d.Path, rel); err != nil {
			return nil, err
		}
	}
	delete(t.links, d.Path)
	t.keep(rel, d)
	return d, nil
}

// Look looks for the directory of a path. It returns no Entry if nothing is there,
// and no directory if it is something else. A link to a directory is one; so is a
// directory whose name the file system takes for this one.
func (t *Tree) Look(parent *Dir, rel string) (*Dir, *unboot.Entry, error) {
	p := path.Join(parent.Path, path.Base(rel))
	if t.Wait != nil {
		t.Wait(parent, p)
	}
	info, err := t.fs.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	e := info.(*unboot.Entry)
	if parent.Folds {
		earlier, stored, err := t.names.meets(parent, p, rel, e)
		if err != nil {
			return nil, e, err
		}
		if earlier != "" {
			if !e.IsDir() {
				return nil, e, t.names.taken(earlier)
			}
			// Nothing is lost but the name.
			t.Fail(rel, fmt.Errorf("its files go to %s, which the file system takes for the same name", t.names.label(earlier)))
		}
		p = stored
	}
	real := p
	switch e.Type() {
	case fs.ModeDir:
	case fs.ModeSymlink:
		real, err = t.follow(parent.Path, path.Base(p))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, e, nil
		} else if err != nil {
			return nil, e, err
		}
	default:
		return nil, e, nil
	}
	d, err := t.existing(real)
	if errors.Is(err, unix.ENOTDIR) {
		return nil, e, nil
	} else if err != nil {
		return nil, e, err
	}
	t.keep(rel, d)
	return d, e, nil
}

// Place looks at the place of a file that is to be made, which is not a directory. It
// is an error if the name is the same to the file system as that of another file which
// was written. If look says so, or it had to be looked at, what is there is returned.
func (t *Tree) Place(d *Dir, p, rel string, look bool) (*unboot.Entry, error) {
	folds := d.Folds
	if folds {
		if earlier, ok := t.names.plain(d, p, rel); ok && earlier != "" {
			return nil, t.names.taken(earlier)
		} else if ok {
			folds = false
		}
	}
	if !folds && !look {
		return nil, nil
	}
	info, err := t.fs.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	e := info.(*unboot.Entry)
	if folds {
		earlier, stored, err := t.names.meets(d, p, rel, e)
		if err == nil && earlier != "" {
			err = t.names.taken(earlier)
		}
		if err != nil {
			return e, err
		}
		t.names.replaced(stored, p)
	}
	return e, nil
}

// Doubtful reports whether a file may turn out to have the name of another only when
// it is made, so that Clash is to be asked.
func (t *Tree) Doubtful(d *Dir, p string) bool {
	if !d.Folds {
		return false
	}
	key, _, _ := foldKey(p)
	return len(t.names.keys[key]) > 0
}

// Wrote notes a file that was written to its place; link is its target, if it is a
// symbolic link.
func (t *Tree) Wrote(d *Dir, p, rel, link string) error {
	delete(t.links, p)
	if d.Folds {
		if err := t.names.record(d, p, rel); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(link, "/") && !strings.Contains(link, "..") {
		return nil // leads to nothing that is not in its directory
	}
	t.links[p] = true
	if d.Folds { // may be met under another spelling
		info, err := t.fs.Lstat(p)
		if err != nil {
			return err
		}
		t.links[inode(info.(*unboot.Entry))] = true
	}
	return nil
}

// Clash makes the error of a file name what is in its way, if that is another name.
func (t *Tree) Clash(d *Dir, p, rel string, err error) error { return t.names.clash(d, p, rel, err) }

// existing returns the directory of a path that has no symbolic links.
func (t *Tree) existing(p string) (*Dir, error) {
	info, err := t.fs.Lstat(p)
	if err != nil {
		return nil, err
	}
	e := info.(*unboot.Entry)
	if !e.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: p, Err: unix.ENOTDIR}
	}
	d := &Dir{Path: p, Kind: t.kind(p, e)}
	d.Folds, err = d.Kind.foldsIn(t.fs, p)
	return d, err
}

// Below reports whether a path is a directory or in it.
func Below(p, dir string) bool {
	return dir == "." || p == dir || strings.HasPrefix(p, dir+"/")
}
