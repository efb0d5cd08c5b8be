package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// A place is one end of a copy: in an image, or on the host.
type place struct {
	arg  string
	t    target
	o    *opened // nil on the host
	path string  // clean path in the FS, or host path
}

// places finds out which arguments are in images, and opens those. The destination comes
// first, as it is opened for writing: a source in the same image then uses the same kernel,
// while two could not share the file system.
func (a *app) places(args []string) ([]*place, error) {
	var places []*place
	images := 0
	for _, arg := range args {
		p := &place{arg: arg, path: arg}
		// A host path of the same name would have to be given with "./".
		if t, ok := existingTarget(arg); ok && t.path != "" {
			p.t = t
			images++
		}
		places = append(places, p)
	}
	if images == 0 {
		// The most likely mistake is an image that does not exist.
		for _, arg := range args {
			if isRemote(arg) {
				return nil, noSource(arg)
			}
			if image, _, ok := strings.Cut(arg, ":"); ok {
				return nil, fmt.Errorf("%s: %w", quote(image), fs.ErrNotExist)
			}
		}
		return nil, badUsage("no argument is in an image (expected IMAGE:PATH)")
	}
	last := places[len(places)-1]
	for _, p := range append([]*place{last}, places[:len(places)-1]...) {
		if p.t.image == "" {
			if last.t.image == "" && p != last {
				return nil, badUsage("%s and %s are both on the host", quote(p.arg), quote(last.arg))
			}
			continue
		}
		o, err := a.tree(p.t.image, p == last)
		if err != nil {
			return nil, err
		}
		p.o, p.path = o, p.t.clean()
	}
	return places, nil
}

// isDir reports whether the place is a directory, or a link to one.
func (p *place) isDir() bool {
	if p.o != nil {
		return isDir(p.o, p.path)
	}
	st, err := os.Stat(p.path)
	return err == nil && st.IsDir()
}

// base returns the name that a copy gets in a directory: "" if the content of the source
// is copied there instead, as with "dir/." and the root.
func (p *place) base() string {
	arg := p.arg
	if p.o != nil {
		arg = p.t.path
	}
	b := path.Base(arg)
	if b == "." || b == "/" || b == ".." {
		return ""
	}
	return b
}

// spelled returns the path as the user wrote it: the clean path has lost a slash at its
// end, which demands a directory.
func (p *place) spelled() string {
	if p.o != nil {
		return p.t.path
	}
	return p.path
}

// about puts the name of the place before an error.
func (p *place) about(err error) error {
	if p.o != nil {
		return p.o.aboutTarget(p.t, err)
	}
	return fmt.Errorf("%s: %w", quote(p.path), reason(err))
}

// takes returns an error if the copy cannot get the very name of the place, by the rules of
// cp(1): only a directory gets a name that demands one or replaces one, and it replaces
// nothing else.
func (p *place) takes(dir bool) error {
	if p.isDir() {
		if !dir {
			return fmt.Errorf("cannot overwrite directory with non-directory: %w", unix.EISDIR)
		}
		return nil
	}
	exists := p.exists()
	switch demands := demandsDir(p.spelled()); {
	case !exists && demands && (!dir || endsInDots(p.spelled())):
		return errNoDir
	case exists && demands:
		return unix.ENOTDIR
	case exists && dir:
		return fmt.Errorf("cannot overwrite non-directory with directory: %w", unix.ENOTDIR)
	}
	return nil
}

// exists reports whether there is something of the name, including a link without a
// target: lstat(2) would follow the link before a slash, so that is cut off.
func (p *place) exists() bool {
	var err error
	if p.o != nil {
		_, err = p.o.fs.Lstat(p.path)
	} else {
		_, err = os.Lstat(strings.TrimRight(p.path, "/"))
	}
	return err == nil
}
