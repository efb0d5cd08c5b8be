package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/treecopy"
)

// A path that ends in a slash, or in "." or "..", can only mean a directory, in an image
// as on the host: path_resolution(7). Package unboot takes clean paths, as io/fs does,
// which have no such ends, so the demand has to be checked here, for all commands.

// demandsDir reports whether a path is written so that it means a directory.
func demandsDir(path string) bool {
	return strings.HasSuffix(path, "/") || endsInDots(path)
}

// endsInDots reports whether the last element of a path is "." or "..". Neither is a name
// that could be made, removed or changed.
func endsInDots(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	return last == "." || last == ".."
}

// existing returns the path in the FS that a target means. A symbolic link at its end is
// followed only if a directory is demanded, which must then exist; otherwise the path is
// not looked up, and the call that uses it returns the error.
func (o *opened) existing(t target) (string, error) {
	p := t.clean()
	if !demandsDir(t.path) || p == "." {
		return p, nil
	}
	real, err := treecopy.RealPath(o.fs, p)
	if err != nil {
		return p, err
	}
	if !isDir(o, real) {
		return p, unix.ENOTDIR
	}
	return real, nil
}

// errDots is the error of a command that changes a name for a path that ends in none.
var errDots = errors.New(`will not touch "." or ".."`)

// named is existing for rm and mv, which change the name itself: "link/" is an error for
// them, even if the link leads to a directory, as for unlink(2) and rename(2).
func (o *opened) named(t target) (string, error) {
	p := t.clean()
	if endsInDots(t.path) {
		return p, errDots
	}
	if !demandsDir(t.path) || p == "." {
		return p, nil
	}
	st, err := o.fs.Lstat(p)
	if err == nil && !st.IsDir() {
		err = unix.ENOTDIR
	}
	return p, err
}

// makeFile returns an error if a target cannot be the name of a file to write, since it
// demands a directory. OpenFile would not know, as its path is clean.
func (o *opened) makeFile(t target) error {
	switch {
	case !demandsDir(t.path):
		return nil
	case isDir(o, t.clean()):
		return unix.EISDIR
	}
	return o.noDir(t)
}

// noDir returns the error for a directory that is demanded and does not exist, or is
// something else.
func (o *opened) noDir(t target) error {
	if _, err := o.fs.Lstat(t.clean()); errors.Is(err, fs.ErrNotExist) {
		return errNoDir
	}
	return unix.ENOTDIR
}

var errNoDir = fmt.Errorf("%w: no such directory (try mkdir)", unix.ENOTDIR)
