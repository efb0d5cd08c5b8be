package inspect

import (
	"errors"
	"io/fs"
	"slices"
)

// An Inspector finds operating systems. Its zero value is ready, and does without
// the registry of Windows.
type Inspector struct {
	// OpenHive opens files of the registry; see [OpenHive]. If it is nil,
	// Windows is found, and little is known about it.
	OpenHive OpenHive
}

// Tree finds out which operating system is in a tree of files, with the zero
// [Inspector].
func Tree(fsys fs.FS) (*System, error) { return new(Inspector).Tree(fsys) }

// Tree finds out which operating system is in a tree of files: an installed one, or the
// media to install one. The tree may be a part of it, but what the system is must be
// there: the root, most often with /usr in it.
//
// The error wraps [ErrNoSystem] if there is none, together with the first error of
// reading, if there was any. If a system was found, errors of reading are in its
// Problems.
func (in *Inspector) Tree(fsys fs.FS) (*System, error) {
	t := &tree{FS: fsys}
	if s, r := in.find(t); s != nil && r != usrOnly {
		s.complete(t)
		return s, nil
	}
	return nil, errors.Join(ErrNoSystem, t.err)
}

// A role is what a file system is for its system.
type role int

const (
	noRole   role = iota
	rootRole      // has /etc or what stands for it
	usrOnly       // what is mounted on /usr
	media         // to install a system
)

// find returns what is in a tree, and the tree's role. It reads what tells the system
// and its version, which is little; complete reads the rest.
func (in *Inspector) find(t *tree) (*System, role) {
	for _, known := range []struct {
		role role
		find func(*tree) *System
	}{
		{rootRole, findAnnounced},
		{rootRole, findFreeBSD},
		{rootRole, findNetBSD},
		{rootRole, findOpenBSD},
		{rootRole, findHurd},
		{rootRole, findMinix},
		{rootRole, findLinux},
		{rootRole, findOSTree},
		{rootRole, in.findWindows},
		{rootRole, findMacOS},
		{usrOnly, findUsr},
		{media, findMedia},
		{rootRole, findDOS},
	} {
		s := known.find(t)
		if s == nil {
			continue
		}
		if s.Format == "" {
			s.Format = Installed
		}
		s.Product = clean(s.Product)
		s.Problems = slices.Clone(t.problems)
		return s, known.role
	}
	return nil, noRole
}
