package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/sys/unix"
)

// What ends in a slash, or in "." or "..", can only mean a directory, in an image
// as on the host: path_resolution(7). The paths of package unboot have no such
// ends, so that what they demanded has to be seen to here, for all commands.

// demandsDir reports whether a path is written so that it means a directory.
func demandsDir(path string) bool {
	return strings.HasSuffix(path, "/") || endsInDots(path)
}

// endsInDots reports whether the last element of a path is "." or "..", and so no
// name that could be made, removed or changed.
func endsInDots(path string) bool {
	last := path[strings.LastIndexByte(path, '/')+1:]
	return last == "." || last == ".."
}

// existing returns the path in the FS of what a target means, which must be there.
// A symbolic link stays one, unless a directory is demanded: then it is followed.
func (o *opened) existing(t target) (string, error) {
	p := t.clean()
	if !demandsDir(t.path) || p == "." {
		return p, nil
	}
	real, err := realPath(o.fs, p)
	if err != nil {
		return p, err
	}
	if !isDir(o, real) {
		return p, unix.ENOTDIR
	}
	return real, nil
}

// errDots is the error for a command that changes a name, and was given none.
var errDots = errors.New(`will not touch "." or ".."`)

// named is existing for what removes or renames the name itself: that of a symbolic
// link does not mean a directory.
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

// makeFile returns an error if a target cannot be the name of a new file, or of
// one that is written, since it means a directory.
func (o *opened) makeFile(t target) error {
	switch {
	case !demandsDir(t.path):
		return nil
	case isDir(o, t.clean()):
		return unix.EISDIR
	}
	return o.noDir(t)
}

// noDir is the error for a directory that is demanded, and is not there.
func (o *opened) noDir(t target) error {
	if _, err := o.fs.Lstat(t.clean()); errors.Is(err, fs.ErrNotExist) {
		return errNoDir
	}
	return unix.ENOTDIR
}

var errNoDir = fmt.Errorf("%w: no such directory (try mkdir)", unix.ENOTDIR)
