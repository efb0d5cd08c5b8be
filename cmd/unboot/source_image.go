package main

import (
	"context"
	"iter"
	"path"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// imageSource is a tree in an image.
type imageSource struct {
	a       *app
	o       *opened
	root    string // path in the FS
	oneFS   bool
	exclude []glob
	links   linkTable
}

func (s *imageSource) items(ctx context.Context) iter.Seq[*item] {
	return func(yield func(*item) bool) {
		w := &unboot.WalkOptions{Links: true, Xattrs: true, OneFileSystem: s.oneFS}
		for e, err := range s.o.fs.Walk(s.root, w) {
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				p := s.root
				if e != nil {
					p = e.Path()
				}
				if !yield(&item{path: s.rel(p), err: reason(err)}) {
					return
				}
				continue
			}
			rel := s.rel(e.Path())
			if excluded(s.exclude, rel) {
				e.SkipDir()
				continue
			}
			if !yield(s.item(e, rel)) {
				return
			}
		}
	}
}

// excluded reports whether a pattern matches a path or its last element.
func excluded(globs []glob, rel string) bool {
	for i := range globs {
		if globs[i].match(rel) || globs[i].match(path.Base(rel)) {
			return true
		}
	}
	return false
}

func (s *imageSource) rel(p string) string { return relative(s.root, p) }

// relative returns a path below root as one that begins there.
func relative(root, p string) string {
	switch {
	case p == root:
		return "."
	case root == ".":
		return p
	}
	return strings.TrimPrefix(p, root+"/")
}

func (s *imageSource) item(e *unboot.Entry, rel string) *item {
	it := &item{path: rel, entry: e}
	if e.Err != nil {
		it.err = reason(e.Err)
		return it
	}
	st := &e.Stat
	it.meta = unboot.Metadata{
		Mode: e.Mode(), UID: int(st.Uid), GID: int(st.Gid), Atime: e.AccessTime(), Mtime: e.ModTime(), Link: e.Link,
	}
	if isDevice(st) {
		it.meta.Rdev = unix.Mkdev(st.Rdev_major, st.Rdev_minor)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		it.meta.Size = int64(st.Size)
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		it.hard = s.links.first(unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino, rel)
		it.shared = it.hard == ""
	}
	return it
}

func (s *imageSource) load(items []*item) {
	var small []*item
	var entries []*unboot.Entry
	for _, it := range items {
		if it.err != nil || it.hard != "" {
			continue
		}
		if it.entry.XattrSize != 0 {
			if it.meta.Xattrs, it.err = s.o.fs.Xattrs(it.entry.Path()); it.err != nil {
				it.err = reason(it.err)
				continue
			}
			// ntfs3 lists those in which WSL keeps owners and modes,
			// under names that no setxattr(2) takes.
			for name := range it.meta.Xattrs {
				if strings.HasPrefix(name, "$LX") {
					delete(it.meta.Xattrs, name)
				}
			}
		}
		if it.meta.Mode.IsRegular() && it.meta.Size <= smallFile {
			it.loaded = true
			if it.meta.Size > 0 {
				small, entries = append(small, it), append(entries, it.entry)
			}
		}
	}
	data, errs := s.o.fs.ReadFiles(entries)
	for i, it := range small {
		it.data, it.err = data[i], reason(errs[i])
		it.meta.Size = int64(len(it.data))
	}
}

func (s *imageSource) open(it *item) (body, error) {
	f, err := s.o.fs.Open(it.entry.Path())
	if err != nil {
		return nil, reason(err)
	}
	file := f.(*unboot.File)
	b := &sectionBody{file: file, whole: file}
	// A file with fewer blocks than bytes has holes, or is compressed.
	if st := &it.entry.Stat; st.Blocks*512 < st.Size {
		data, err := file.Extents()
		if err != nil {
			file.Close()
			return nil, reason(err)
		}
		// Some file systems know, but lseek(2) does not ask them.
		b.vague = len(data) == 1 && data[0] == unboot.Extent{Length: int64(st.Size)}
		b.data, b.sparse = data, !b.vague
	}
	return b, nil
}

func (s *imageSource) label(rel string) string {
	return s.o.label(strings.TrimPrefix(path.Join(s.root, rel), "./"))
}
