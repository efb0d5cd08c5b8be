package treecopy

import (
	"context"
	"io/fs"
	"iter"
	"path"
	"strings"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// An ImageSource is a tree in an image.
type ImageSource struct {
	FS   *unboot.FS
	Root string // path in the FS, which is not followed if it is a symbolic link
	// OneFileSystem says not to go into what is mounted below Root.
	OneFileSystem bool
	// Exclude, if not nil, reports whether a path of the tree is left out, with all
	// that is below it.
	Exclude func(rel string) bool
	// Xattrs, if not nil, reports whether an extended attribute is wanted; NoXattrs
	// says that none is.
	Xattrs   func(name string) bool
	NoXattrs bool
	// NoHardLinks makes each name of a file a file of its own, as cp -r does.
	NoHardLinks bool
	// Label is how messages call a path of the FS.
	Label func(p string) string

	links linkTable
}

func (s *ImageSource) items(ctx context.Context) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		w := &unboot.WalkOptions{Links: true, Xattrs: !s.NoXattrs, OneFileSystem: s.OneFileSystem}
		for e, err := range s.FS.Walk(s.Root, w) {
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				p := s.Root
				if e != nil {
					p = e.Path()
				}
				if !yield(&Item{Path: Relative(s.Root, p), Err: err}, nil) {
					return
				}
				continue
			}
			rel := Relative(s.Root, e.Path())
			if s.Exclude != nil && s.Exclude(rel) {
				e.SkipDir()
				continue
			}
			if !yield(s.item(e, rel), nil) {
				return
			}
		}
	}
}

// ahead implements [Source].
func (s *ImageSource) ahead() bool { return true }

// Relative returns a path below root as one that begins there.
func Relative(root, p string) string {
	switch {
	case p == root:
		return "."
	case root == ".":
		return p
	}
	return strings.TrimPrefix(p, root+"/")
}

func (s *ImageSource) item(e *unboot.Entry, rel string) *Item {
	it := &Item{Path: rel, entry: e}
	if e.Err != nil {
		it.Err = e.Err
		return it
	}
	st := &e.Stat
	it.Meta = unboot.Metadata{
		Mode: e.Mode(), UID: int(st.Uid), GID: int(st.Gid), Atime: e.AccessTime(), Mtime: e.ModTime(), Link: e.Link,
	}
	if it.Meta.Mode&fs.ModeDevice != 0 {
		it.Meta.Rdev = unix.Mkdev(st.Rdev_major, st.Rdev_minor)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		it.Meta.Size = int64(st.Size)
	}
	if st.Nlink > 1 && !s.NoHardLinks && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		it.Hard = s.links.first(FileID{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}, rel)
		it.shared = it.Hard == ""
	}
	return it
}

func (s *ImageSource) load(items []*Item) {
	var small []*Item
	var entries []*unboot.Entry
	for _, it := range items {
		if it.Err != nil || it.Hard != "" {
			continue
		}
		if it.entry.XattrSize != 0 && !s.NoXattrs {
			if it.Meta.Xattrs, it.Err = s.FS.Xattrs(it.entry.Path()); it.Err != nil {
				continue
			}
			// ntfs3 lists those in which WSL keeps owners and modes,
			// under names that no setxattr(2) takes.
			for name := range it.Meta.Xattrs {
				if strings.HasPrefix(name, "$LX") || s.Xattrs != nil && !s.Xattrs(name) {
					delete(it.Meta.Xattrs, name)
				}
			}
		}
		if it.Meta.Mode.IsRegular() && it.Meta.Size <= smallFile {
			it.loaded = true
			if it.Meta.Size > 0 {
				small, entries = append(small, it), append(entries, it.entry)
			}
		}
	}
	data, errs := s.FS.ReadFiles(entries)
	for i, it := range small {
		it.data, it.Err = data[i], errs[i]
		it.Meta.Size = int64(len(it.data))
	}
}

func (s *ImageSource) open(it *Item) (body, error) {
	f, err := s.FS.Open(it.entry.Path())
	if err != nil {
		return nil, err
	}
	file := f.(*unboot.File)
	b := &sectionBody{file: file, whole: file}
	// A file with fewer blocks than bytes has holes, or is compressed.
	if st := &it.entry.Stat; st.Blocks*512 < st.Size {
		data, err := file.Extents()
		if err != nil {
			file.Close()
			return nil, err
		}
		// Some file systems know, but lseek(2) does not ask them.
		b.vague = len(data) == 1 && data[0] == unboot.Extent{Length: int64(st.Size)}
		b.data, b.sparse = data, !b.vague
	}
	return b, nil
}

func (s *ImageSource) label(it *Item) string {
	p := path.Join(s.Root, it.Path)
	if s.Label != nil {
		return s.Label(p)
	}
	return p
}
