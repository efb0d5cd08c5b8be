package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/treecopy"
)

// preserve is what a copy takes over of the metadata.
type preserve int

const (
	preserveNone preserve = iota // as cp(1): permissions without the umask
	preserveAll                  // as cp -a
)

// Cp copies a file.
func (s *Server) Cp(ctx context.Context, a *rpc.CpArgs) error {
	st, err := s.stat(a.Src)
	if err != nil {
		return programError(err, "cp: cannot stat '%s'", a.Src)
	}
	if fileType(&st) == unix.S_IFDIR {
		return errorf("cp: -r not specified; omitting directory '%s'", a.Src)
	}
	dest := s.into(a.Src, a.Dest)
	if fileType(&st) != unix.S_IFREG || s.isDevice(a.Src) || s.isDevice(dest) {
		return s.copyData(ctx, copyArgs{src: a.Src, dest: dest})
	}
	if s.sameFile(a.Src, dest) {
		return errorf("cp: '%s' and '%s' are the same file", a.Src, dest)
	}
	real, err := s.realpath(a.Src)
	if err == nil {
		err = s.copyTree(ctx, real, dest, preserveNone)
	}
	return copyError(err, a.Src, a.Dest)
}

// CpA copies a file or a tree with all metadata.
func (s *Server) CpA(ctx context.Context, a *rpc.CpAArgs) error {
	return s.cp(ctx, a.Src, a.Dest, preserveAll)
}

// CpR copies a file or a tree.
func (s *Server) CpR(ctx context.Context, a *rpc.CpRArgs) error {
	return s.cp(ctx, a.Src, a.Dest, preserveNone)
}

func (s *Server) cp(ctx context.Context, src, dest string, keep preserve) error {
	if _, err := s.lstat(src); err != nil {
		return programError(err, "cp: cannot stat '%s'", src)
	}
	to := s.into(src, dest)
	if !s.isDirectory(src) && s.sameFile(src, to) {
		return errorf("cp: '%s' and '%s' are the same file", src, to)
	}
	return copyError(s.copyTree(ctx, src, to, keep), src, dest)
}

// sameFile reports whether two paths lead to one file, be it by links.
func (s *Server) sameFile(a, b string) bool {
	x, err1 := s.stat(a)
	y, err2 := s.stat(b)
	return err1 == nil && err2 == nil && x.Ino == y.Ino && x.Dev_major == y.Dev_major && x.Dev_minor == y.Dev_minor
}

// A refusal is what cp(1) does not begin with, in its words.
type refusal string

func (r refusal) Error() string { return string(r) }

func copyError(err error, src, dest string) error {
	var r refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &r):
		return errorf("cp: %s", r)
	}
	return programError(err, "cp: cannot copy '%s' to '%s'", src, dest)
}

// copyTree copies what src is, with all below it if it is a directory.
func (s *Server) copyTree(ctx context.Context, src, dest string, keep preserve) error {
	root, to := s.fsName(src), s.fsName(dest)
	if root == "." || to == root || strings.HasPrefix(to, root+"/") {
		return refusal(fmt.Sprintf("cannot copy a directory, '%s', into itself, '%s'", src, dest))
	}
	dir, err := s.realpath(guestPath(path.Dir(to)))
	if err != nil {
		return err
	}
	from := &treecopy.ImageSource{FS: s.tree(), Root: root}
	sink := &treecopy.ImageSink{
		FS: s.tree(), Dir: unboot.CleanPath(dir), Name: path.Base(to), Strict: true, NoDirLinks: true,
	}
	if keep == preserveNone {
		from.NoXattrs, from.NoHardLinks = true, true
		sink.Through, sink.KeepDirs = true, true
		sink.Change = func(m *unboot.Metadata) {
			perm := m.Mode.Perm() &^ fs.FileMode(s.umask)
			*m = unboot.Metadata{Mode: m.Mode.Type() | perm, UID: -1, GID: -1, Link: m.Link, Rdev: m.Rdev, Size: m.Size}
		}
	}
	// The first error is the last, and cp(1) has words of its own for some.
	sink.Report.Fail = func(name string, err error) error {
		rel := treecopy.Relative(path.Join(sink.Dir, sink.Name), name)
		here, there := guestPath(path.Join(root, rel)), guestPath(name)
		switch {
		case errors.Is(err, treecopy.ErrNotDir):
			return refusal(fmt.Sprintf("cannot overwrite non-directory '%s' with directory '%s'", there, here))
		case errors.Is(err, treecopy.ErrIsDir):
			return refusal(fmt.Sprintf("cannot overwrite directory '%s' with non-directory '%s'", there, here))
		case errors.Is(err, treecopy.ErrSameFile):
			return refusal(fmt.Sprintf("'%s' and '%s' are the same file", here, there))
		}
		return err
	}
	return treecopy.Transfer(ctx, from, sink)
}
