package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/rpc"
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
	return copyError(s.copyContent(ctx, a.Src, s.into(a.Src, a.Dest), &st), a.Src, a.Dest)
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

// copyContent copies a regular file, or what can be read of another, over dest or to a
// new file with the permissions of st.
func (s *Server) copyContent(ctx context.Context, src, dest string, st *unix.Statx_t) error {
	in, err := s.openRead(src)
	if err != nil {
		return err
	}
	defer in.close()
	if dst, err := s.stat(dest); err == nil && dst.Ino == st.Ino && dst.Dev_major == st.Dev_major && dst.Dev_minor == st.Dev_minor {
		return refusal(fmt.Sprintf("'%s' and '%s' are the same file", src, dest))
	}
	out, err := s.openPath(dest, writeFlags, uint32(st.Mode&0o7777)&^s.umask&0o777)
	if err != nil {
		return err
	}
	return errors.Join(in.copyTo(ctx, out), out.close())
}

// copyTo copies a file with its holes into an empty one.
func (h *handle) copyTo(ctx context.Context, out *handle) error {
	size, err := h.size()
	if err != nil {
		return err
	}
	for pos := int64(0); ; {
		data, err := h.v.Seek(h.fd, pos, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		hole := size
		if err == nil {
			hole, err = h.v.Seek(h.fd, data, unix.SEEK_HOLE)
		}
		if err != nil || data < pos || hole <= data {
			// Where that cannot be asked, all is data.
			data, hole = pos, size
			if pos >= size {
				break
			}
		}
		out.off = data
		n, err := h.writeTo(ctx, out, data, hole-data)
		if err != nil {
			return err
		}
		pos = data + n
		if n < hole-data || pos >= size {
			break
		}
	}
	// A file that ends in a hole.
	if st, err := out.stat(); err == nil && int64(st.Size) < size {
		return out.v.Ftruncate(out.fd, size)
	}
	return nil
}

// copyTree copies what src is, with all below it if it is a directory.
func (s *Server) copyTree(ctx context.Context, src, dest string, keep preserve) error {
	f := s.tree()
	root, to := s.fsName(src), s.fsName(dest)
	if to == root || len(to) > len(root) && to[:len(root)+1] == root+"/" {
		return refusal(fmt.Sprintf("cannot copy a directory, '%s', into itself, '%s'", src, dest))
	}
	c := treeCopy{s: s, f: f, root: root, to: to, keep: keep, links: map[[3]uint64]string{}}
	for e, err := range f.Walk(root, &unboot.WalkOptions{Links: true, Xattrs: true}) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = c.add(ctx, e)
		}
		if err != nil {
			return err
		}
	}
	for _, d := range slices.Backward(c.dirs) {
		if err := f.SetMetadata(d.name, d.m); err != nil {
			return err
		}
	}
	return nil
}

// treeCopy is a copy of a tree under way.
type treeCopy struct {
	s        *Server
	f        *unboot.FS
	root, to string
	keep     preserve
	links    map[[3]uint64]string // first copies of files with several names
	dirs     []dirMeta            // of which the times are set when all is in them
}

type dirMeta struct {
	name string
	m    *unboot.Metadata
}

// mayReplace keeps a directory from taking the place of another file, and the reverse.
func (c *treeCopy) mayReplace(name string, e *unboot.Entry) error {
	st, err := c.f.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case e.IsDir() && !st.IsDir():
		return refusal(fmt.Sprintf("cannot overwrite non-directory '%s' with directory '%s'", guestPath(name), guestPath(e.Path())))
	case !e.IsDir() && st.IsDir():
		return refusal(fmt.Sprintf("cannot overwrite directory '%s' with non-directory '%s'", guestPath(name), guestPath(e.Path())))
	}
	return nil
}

func (c *treeCopy) add(ctx context.Context, e *unboot.Entry) error {
	name := c.to
	if rel := below(c.root, e.Path()); rel != "" {
		name = path.Join(c.to, rel)
	}
	if c.keep == preserveAll && e.Stat.Nlink > 1 && !e.IsDir() {
		id := [3]uint64{uint64(e.Stat.Dev_major), uint64(e.Stat.Dev_minor), e.Stat.Ino}
		if first, again := c.links[id]; again {
			err := c.f.Link(first, name)
			if errors.Is(err, fs.ErrExist) {
				if err = c.f.Remove(name); err == nil {
					err = c.f.Link(first, name)
				}
			}
			return err
		}
		c.links[id] = name
	}
	if err := c.mayReplace(name, e); err != nil {
		return err
	}
	m, err := c.f.MetadataOf(e)
	if err != nil {
		return err
	}
	if c.keep == preserveNone {
		perm := m.Mode.Perm() &^ fs.FileMode(c.s.umask)
		m = &unboot.Metadata{Mode: m.Mode.Type() | perm, UID: -1, GID: -1, Link: m.Link, Rdev: m.Rdev, Size: m.Size}
	}
	switch {
	case e.IsDir():
		if c.keep == preserveAll {
			c.dirs = append(c.dirs, dirMeta{name, m})
			// Writable until all is in it, and without a default list, which what is
			// made in it would inherit.
			m = &unboot.Metadata{Mode: m.Mode, UID: -1, GID: -1}
		}
		if _, err := c.f.Lstat(name); err == nil {
			return nil // a directory, too
		}
		return c.f.Put(name, m, nil)
	case !m.Mode.IsRegular():
		return c.f.Put(name, m, nil)
	}
	src, dest := guestPath(e.Path()), guestPath(name)
	if c.keep == preserveAll {
		// Not through a symbolic link, or into a file with other names.
		if err := c.f.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := c.s.copyContent(ctx, src, dest, &e.Stat); err != nil || c.keep == preserveNone {
		return err
	}
	return c.f.SetMetadata(name, m)
}
