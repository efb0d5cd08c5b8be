package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// A destTree is a directory of an image that a tree is written to. It finds the
// real place of each directory of that tree: symbolic links that the image has are
// followed as the image's own system would, from its root; those that this run has
// made cannot lead out of the directory, as an archive might want.
type destTree struct {
	fs    *unboot.FS
	base  string // path of the directory, without symbolic links
	names *nameTable
	// wait waits until what is on its way to a path is there.
	wait func(d *destDir, p string)
	fail func(rel string, err error)

	dirs  map[string]*destDir // by path in the tree
	used  map[string]bool     // real paths of those, and of links on the way to them
	links map[string]bool     // made by this run, if they could lead out of base
	kinds map[uint64]*fsKind  // by device
}

// A destDir is a directory that is written to.
type destDir struct {
	path  string // without symbolic links
	kind  *fsKind
	folds bool // names that differ in case, or the like, are one
	fresh bool // made by this run: all that is in it was put there by it
}

// maxLinks is how many symbolic links may be on the way, as in the kernel.
const maxLinks = 40

func newDestTree(fsys *unboot.FS, base string, names *nameTable) *destTree {
	t := &destTree{fs: fsys, base: base, names: names, links: map[string]bool{}, kinds: map[uint64]*fsKind{}}
	t.forget()
	return t
}

// forget drops what is known of directories, as something has changed that they
// were found by.
func (t *destTree) forget() { t.dirs, t.used = map[string]*destDir{}, map[string]bool{} }

// dir returns a directory of the tree. What is missing is made, as archives leave
// directories out, if make says so.
func (t *destTree) dir(rel string, make bool) (*destDir, error) {
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
	parent, err := t.dir(path.Dir(rel), make)
	if err != nil {
		return nil, err
	}
	p := path.Join(parent.path, path.Base(rel))
	d, e, err := t.look(parent, rel)
	switch {
	case err != nil:
		return nil, err
	case e != nil && d == nil && e.Type() == fs.ModeSymlink:
		return nil, fmt.Errorf("%s is a symbolic link to no directory: %w", quote(display(p)), unix.ENOTDIR)
	case e != nil && d == nil:
		return nil, &fs.PathError{Op: "open", Path: p, Err: unix.ENOTDIR}
	case e == nil && !make:
		return nil, &fs.PathError{Op: "open", Path: p, Err: unix.ENOENT}
	case e == nil:
		if err := t.fs.Mkdir(p, 0o755); err != nil {
			return nil, err
		}
		return t.made(parent, rel)
	}
	t.keep(rel, d)
	return d, nil
}

func (t *destTree) keep(rel string, d *destDir) {
	t.dirs[rel] = d
	t.used[d.path] = true
}

// made notes a directory that was just made.
func (t *destTree) made(parent *destDir, rel string) (*destDir, error) {
	d := &destDir{path: path.Join(parent.path, path.Base(rel)), kind: parent.kind, folds: parent.folds, fresh: true}
	t.keep(rel, d)
	if parent.folds {
		return d, t.names.record(parent, d.path, rel)
	}
	return d, nil
}

// look looks for the directory of a path. It returns no Entry if nothing is there,
// and no directory if it is something else.
func (t *destTree) look(parent *destDir, rel string) (*destDir, *unboot.Entry, error) {
	p := path.Join(parent.path, path.Base(rel))
	t.wait(parent, p)
	info, err := t.fs.Lstat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, err
	}
	e := info.(*unboot.Entry)
	if parent.folds {
		earlier, stored, err := t.names.meets(parent, p, rel, e)
		if err != nil {
			return nil, e, err
		}
		if earlier != "" {
			if !e.IsDir() {
				return nil, e, t.names.taken(earlier)
			}
			// Nothing is lost but the name.
			t.fail(rel, fmt.Errorf("its files go to %s, which the file system takes for the same name", t.names.label(earlier)))
		}
		p = stored
	}
	switch e.Type() {
	case fs.ModeDir:
		d, err := t.existing(p)
		return d, e, err
	case fs.ModeSymlink:
		real, err := t.follow(parent.path, path.Base(p))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, e, nil
		} else if err != nil {
			return nil, e, err
		}
		d, err := t.existing(real)
		if errors.Is(err, unix.ENOTDIR) {
			return nil, e, nil
		}
		return d, e, err
	}
	return nil, e, nil
}

// existing returns the directory of a path that has no symbolic links.
func (t *destTree) existing(p string) (*destDir, error) {
	info, err := t.fs.Lstat(p)
	if err != nil {
		return nil, err
	}
	e := info.(*unboot.Entry)
	if !e.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: p, Err: unix.ENOTDIR}
	}
	d := &destDir{path: p, kind: t.kind(p, e)}
	d.folds, err = d.kind.foldsIn(t.fs, p)
	return d, err
}

// A step is an element of a path. It is confined if it comes from a link that this
// run has made.
type step struct {
	name     string
	confined bool
}

// follow returns what a symbolic link in a directory leads to.
func (t *destTree) follow(dir, name string) (string, error) {
	leaves := &fs.PathError{Op: "open", Path: path.Join(dir, name), Err: errLeaves}
	done, rest := dir, []step{{name, false}}
	for links := 0; len(rest) > 0; {
		s := rest[0]
		rest = rest[1:]
		if s.name == ".." {
			if s.confined && !below(done, t.base) {
				return "", leaves
			}
			if !s.confined || done != t.base {
				done = path.Dir(done)
			}
			continue
		}
		next := path.Join(done, s.name)
		info, err := t.fs.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode().Type() != fs.ModeSymlink {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: next, Err: unix.ELOOP}
		}
		target, err := t.fs.Readlink(next)
		if err != nil {
			return "", err
		}
		confined := t.links[next] || t.links[inode(info.(*unboot.Entry))]
		t.used[next] = true
		if strings.HasPrefix(target, "/") {
			done = "."
			if confined {
				done = t.base
			}
		}
		var steps []step
		for _, elem := range splitPath(target) {
			steps = append(steps, step{elem, confined})
		}
		rest = append(steps, rest...)
	}
	return done, nil
}

var errLeaves = errors.New("a symbolic link of the archive leads out of the directory that is written to")

// below reports whether a path is a directory or in it.
func below(p, dir string) bool {
	return dir == "." || p == dir || strings.HasPrefix(p, dir+"/")
}

// linked notes a symbolic link that this run has made.
func (t *destTree) linked(d *destDir, p, target string) error {
	if !strings.HasPrefix(target, "/") && !strings.Contains(target, "..") {
		return nil // leads to nothing that is not in its directory
	}
	t.links[p] = true
	if d.folds { // may be met under another spelling
		info, err := t.fs.Lstat(p)
		if err != nil {
			return err
		}
		t.links[inode(info.(*unboot.Entry))] = true
	}
	return nil
}
