package treecopy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/acl"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/desttree"
)

// put puts a file that is small or has no content, without what the file system
// refuses. member is its name in an archive, for messages.
func (s *ImageSink) put(member, p string, m *unboot.Metadata, data []byte) error {
	rest := m.Xattrs
	if fewXattrs(rest) {
		rest = nil
	} else {
		m.Xattrs = nil
	}
	err := s.putAgain(member, p, m, data, s.FS.Put(p, m, bytes.NewReader(data)))
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if err == nil {
			err = s.setXattr(member, p, name, rest[name])
		}
	}
	return err
}

// fewXattrs reports whether attributes can be set together with all else, in one
// chain of calls.
func fewXattrs(attrs map[string][]byte) bool {
	size := 0
	for name, value := range attrs {
		size += len(name) + len(value)
	}
	return len(attrs) <= 64 && size <= 512<<10
}

// setXattr sets an attribute, which may be refused.
func (s *ImageSink) setXattr(member, p, name string, value []byte) error {
	err := s.FS.Setxattr(p, name, value, 0)
	if err != nil && refusal(err) {
		s.Report.lost(s.named(member, p), name, err)
		return nil
	}
	return err
}

// putAgain goes on after a first try.
func (s *ImageSink) putAgain(member, p string, m *unboot.Metadata, data []byte, err error) error {
	for s.learn(member, p, m, err) {
		err = s.FS.Put(p, m, bytes.NewReader(data))
	}
	var call *unboot.CallError
	if errors.As(err, &call) && call.Call == "write" {
		err = s.discard(p, err)
	}
	return err
}

// discard removes a file that is not whole, because of an error.
func (s *ImageSink) discard(p string, why error) error {
	if err := s.FS.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (and a part of it is left: %w)", cause(why), cause(err))
	}
	return why
}

// dir puts a directory.
func (s *ImageSink) dir(rel string, it *Item) error {
	d, err := s.tree.Dir(".", true)
	if err != nil {
		return err
	}
	m, p, kind, parent := it.Meta, d.Path, d.Kind, (*desttree.Dir)(nil)
	if rel != "." {
		if parent, err = s.tree.Dir(path.Dir(rel), true); err != nil {
			return err
		}
		p, kind = path.Join(parent.Path, path.Base(rel)), parent.Kind
		var there *unboot.Entry
		if d, there, err = s.tree.Look(parent, rel); err != nil {
			return err
		}
		switch {
		case there == nil:
		case d != nil && !(s.NoDirLinks && there.Type() == fs.ModeSymlink):
			// A link to a directory stays, lest an unpacked /lib replaces the
			// one that leads to /usr/lib; so does a directory whose name is
			// taken for this one's.
			if d.Path != p {
				return nil
			}
			if s.KeepDirs {
				return nil
			}
			kind = d.Kind
		case s.Strict:
			return ErrNotDir
		case s.tree.Used(p): // a link that led to directories
			s.queue.settle()
			s.tree.Forget()
		}
	}
	s.strip(it.Name, p, &m, kind)
	last := dirMeta{member: it.Name, atime: m.Atime, mtime: m.Mtime}
	// Files that are made in a directory with a default list inherit it, so it is set at the end.
	if list, ok := m.Xattrs[acl.Default]; ok {
		last.acl = list
		m.Xattrs = without(m.Xattrs, acl.Default)
	}
	if err := s.put(it.Name, p, &m, nil); err != nil {
		return err
	}
	s.dirs.add(p, last)
	if d == nil {
		_, err = s.tree.Made(parent, rel)
	}
	return err
}

// link makes another name of a file that was put, or a copy.
func (s *ImageSink) link(d *desttree.Dir, rel, p string, it *Item) error {
	from, err := s.tree.Dir(path.Dir(rel), false)
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", s.label(&Item{}, rel), cause(err))
	}
	target := path.Join(from.Path, path.Base(rel))
	s.wait(from, target)
	if s.queue.hasFailed(target) {
		return fmt.Errorf("hard link to %s, which was not written", s.label(&Item{}, rel))
	}
	if target == p {
		return nil
	}
	err = s.FS.Link(target, p)
	if errors.Is(err, fs.ErrExist) {
		if s.same(target, p) {
			return nil
		}
		if err = s.FS.Remove(p); err == nil {
			err = s.FS.Link(target, p)
		}
	}
	for _, errno := range []unix.Errno{unix.EPERM, unix.EOPNOTSUPP, unix.EXDEV, unix.EMLINK} {
		if s.CopyLinks && errors.Is(err, errno) {
			// vfat and others have no hard links, none has them to
			// another file system.
			return s.copyFile(target, d, p, it)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("hard link to %s: %w", s.label(&Item{}, rel), unix.ENOENT)
	}
	return err
}

// same reports whether two paths are names of one file.
func (s *ImageSink) same(a, b string) bool {
	x, err := s.FS.Lstat(a)
	if err != nil {
		return false
	}
	y, err := s.FS.Lstat(b)
	return err == nil && sameFile(x.(*unboot.Entry), y.(*unboot.Entry))
}

func sameFile(a, b *unboot.Entry) bool {
	return a.Stat.Ino == b.Stat.Ino && a.Stat.Dev_major == b.Stat.Dev_major && a.Stat.Dev_minor == b.Stat.Dev_minor
}

// copyFile copies a file that was put. Its own metadata may not be all that it had.
func (s *ImageSink) copyFile(from string, d *desttree.Dir, to string, it *Item) error {
	m, err := s.FS.Metadata(from)
	if err != nil {
		return err
	}
	s.strip(it.Name, to, m, d.Kind)
	m.UID, m.GID, m.Atime, m.Mtime = it.Meta.UID, it.Meta.GID, it.Meta.Atime, it.Meta.Mtime
	if !m.Mode.IsRegular() {
		return s.put(it.Name, to, m, nil)
	}
	if perm := it.Meta.Mode; perm.IsRegular() && perm != 0 {
		m.Mode = perm
	}
	f, err := s.FS.OpenFile(from, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	b := &sectionBody{file: f, whole: f}
	defer b.Close()
	return s.pour(it.Name, to, *m, b)
}

// large writes a file that is not in memory.
func (s *ImageSink) large(p string, it *Item, src Source) error {
	b, err := src.open(it)
	if err != nil {
		return fmt.Errorf("%s: %w", src.label(it), cause(err))
	}
	defer b.Close()
	return s.pour(it.Name, p, it.Meta, b)
}

// pour makes a file and streams its content into it, with its holes. Nothing is read
// before the file is there with all that it can have: an archive cannot be read twice.
func (s *ImageSink) pour(member, p string, m unboot.Metadata, b body) error {
	size := m.Size
	m.Size = 0
	if err := s.put(member, p, &m, nil); err != nil {
		return err
	}
	if err := s.content(p, size, b); err != nil {
		return s.discard(p, err)
	}
	// Writing has changed times, and taken setuid and capabilities away.
	const capability = "security.capability"
	value, ok := m.Xattrs[capability]
	m.Xattrs = nil
	if ok {
		m.Xattrs = map[string][]byte{capability: value}
	}
	err := s.FS.SetMetadata(p, &m)
	for s.learn(member, p, &m, err) {
		err = s.FS.SetMetadata(p, &m)
	}
	return err
}

// content writes what is in a file that is empty.
func (s *ImageSink) content(p string, size int64, b body) error {
	f, err := s.FS.OpenFile(p, unix.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	return s.fill(f, size, b)
}

// through writes a file into the one that is at its place.
func (s *ImageSink) through(p string, it *Item, src Source) error {
	if info, err := s.FS.Stat(p); err == nil && it.entry != nil && sameFile(info.(*unboot.Entry), it.entry) {
		return ErrSameFile
	}
	var b body = &memoryBody{bytes.NewReader(it.data)}
	if !it.loaded {
		var err error
		if b, err = src.open(it); err != nil {
			return fmt.Errorf("%s: %w", src.label(it), cause(err))
		}
	}
	defer b.Close()
	f, err := s.FS.OpenFile(p, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, it.Meta.Mode.Perm())
	if err != nil {
		return err
	}
	return s.fill(f, it.Meta.Size, b)
}

// fill writes what is in an empty file, and closes it.
func (s *ImageSink) fill(f *unboot.File, size int64, b body) (err error) {
	r := io.TeeReader(b, counter{&s.Report})
	data, sparse := b.segments()
	switch {
	case sparse:
		err = fill(f, r, data, size)
	case b.holes():
		err = fillZeros(f, r, size)
	default:
		var n int64
		if n, err = io.Copy(f, r); err == nil && n < size {
			err = fmt.Errorf("%d bytes of %d: %w", n, size, io.ErrUnexpectedEOF)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
