package appliance

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testguest"
)

// A node is a file, or something else that has a name.
type node struct {
	text string // its content, or the target of a link
	mode fs.FileMode
	uid  int
	gid  int
}

// nodes are what is in a file system, by path. Directories that are not mentioned are
// made for what is in them.
type nodes map[string]node

func file(text string) node   { return node{text: text, mode: 0o644} }
func link(target string) node { return node{text: target, mode: fs.ModeSymlink | 0o777} }
func dir(mode fs.FileMode) node {
	return node{mode: fs.ModeDir | mode}
}

// perm returns the node with other permissions.
func (n node) perm(mode fs.FileMode) node {
	n.mode = n.mode&^fs.ModePerm | mode
	return n
}

// owned returns the node with other owners.
func (n node) owned(uid, gid int) node {
	n.uid, n.gid = uid, gid
	return n
}

// with returns the nodes and others, which may replace some.
func (n nodes) with(more nodes) nodes {
	all := maps.Clone(n)
	maps.Copy(all, more)
	return all
}

// made is when all files were made.
var made = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// A place is a file system on a disk, and what is in it.
type place struct {
	device, options string
	nodes           nodes
}

// fill writes into the file systems of an image, and gives all files the same time.
func fill(t testing.TB, image string, places ...place) {
	t.Helper()
	testguest.Change(t, image, func(img *unboot.Image) error {
		for _, p := range places {
			f, err := img.Mount(p.device, unboot.Data(p.options))
			if err != nil {
				return err
			}
			if err := errors.Join(write(f, p.nodes), settle(f), f.Unmount()); err != nil {
				return err
			}
		}
		return nil
	})
}

func write(f *unboot.FS, all nodes) error {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		n := all[name]
		err := f.MkdirAll(path.Dir(name), 0o755)
		if err == nil {
			switch n.mode.Type() {
			case fs.ModeSymlink:
				err = f.Symlink(n.text, name)
			case fs.ModeDir:
				err = f.MkdirAll(name, 0o755)
			case fs.ModeNamedPipe:
				err = f.Mknod(name, n.mode, 0)
			default:
				err = f.WriteFile(name, []byte(n.text), 0o644)
			}
		}
		if err == nil && n.uid|n.gid != 0 {
			err = f.Lchown(name, n.uid, n.gid)
		}
		if err == nil && n.mode.Type() != fs.ModeSymlink {
			err = f.Chmod(name, n.mode)
		}
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}

// settle sets the times of all files.
func settle(f *unboot.FS) error {
	var names []string
	err := fs.WalkDir(f, ".", func(name string, _ fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	})
	slices.Reverse(names) // a directory after what is in it
	for _, name := range names {
		if err := f.Lchtimes(name, made, made); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return err
}

// blank makes an empty file.
func blank(t testing.TB, name string, size int64) {
	t.Helper()
	check(t, errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, size)))
}

// lines joins lines.
func lines(l ...string) string { return strings.Join(l, "\n") + "\n" }
