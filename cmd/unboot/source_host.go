package main

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

// hostSource is a tree of the host, or a single file.
type hostSource struct {
	written map[linkKey]bool // files that are left out
	root    string
	follow  bool // the root, if it is a symbolic link
	exclude []glob
	links   linkTable
}

func (s *hostSource) items(ctx context.Context) iter.Seq[*item] {
	return func(yield func(*item) bool) {
		root := s.root
		if s.follow {
			// A walk does not follow its root. What is not a directory is
			// opened by its own name, which may lead where no path does, as
			// /dev/stdin to a file that was removed.
			st, err := os.Stat(root)
			if err == nil && st.IsDir() {
				root, err = filepath.EvalSymlinks(root)
			}
			if err != nil {
				yield(&item{path: ".", err: reason(err)})
				return
			}
			s.root = root
		}
		// An error of a directory comes a second time with it.
		filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return fs.SkipAll
			}
			rel := strings.TrimPrefix(strings.TrimPrefix(p, root), "/")
			if rel == "" {
				rel = "."
			}
			it := &item{path: rel}
			switch {
			case err != nil:
				it.err = reason(err)
			case excluded(s.exclude, rel):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			default:
				s.stat(it)
			}
			if !yield(it) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// follows reports whether an item is what a link leads to.
func (s *hostSource) follows(it *item) bool { return s.follow && it.path == "." }

func (s *hostSource) path(it *item) string {
	if it.path == "." {
		return s.root
	}
	return s.root + "/" + it.path
}

func (s *hostSource) stat(it *item) {
	var st unix.Stat_t
	p, stat := s.path(it), unix.Lstat
	if s.follows(it) {
		stat = unix.Stat
	}
	if it.err = stat(p, &st); it.err != nil {
		return
	}
	it.meta = unboot.Metadata{
		Mode: unboot.FileMode(st.Mode), UID: int(st.Uid), GID: int(st.Gid),
		Atime: time.Unix(st.Atim.Unix()), Mtime: time.Unix(st.Mtim.Unix()),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		it.meta.Rdev = uint64(st.Rdev)
	case unix.S_IFREG:
		it.meta.Size = st.Size
		// As tar(1) leaves out the archive that it writes.
		if s.written[linkKey{uint64(st.Dev), st.Ino}] {
			it.err = errors.New("it is a disk of the image that is written to, and left out")
			return
		}
	case unix.S_IFLNK:
		it.meta.Link, it.err = os.Readlink(p)
		it.err = reason(it.err)
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		it.hard = s.links.first(uint64(st.Dev), st.Ino, it.path)
		it.shared = it.hard == ""
	}
}

func (s *hostSource) load(items []*item) {
	for _, it := range items {
		if it.err != nil || it.hard != "" {
			continue
		}
		p := s.path(it)
		if it.meta.Xattrs, it.err = hostXattrs(p, s.follows(it)); it.err != nil {
			continue
		}
		if it.meta.Mode.IsRegular() && it.meta.Size <= smallFile {
			it.data, it.err = os.ReadFile(p)
			it.err = reason(it.err)
			it.loaded, it.meta.Size = true, int64(len(it.data))
		}
	}
}

func (s *hostSource) open(it *item) (body, error) {
	// Not a FIFO that has taken its place: that would wait for ever.
	flags := os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	if s.follows(it) {
		flags &^= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(s.path(it), flags, 0)
	if err != nil {
		return nil, reason(err)
	}
	b := &sectionBody{file: f, whole: f}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err == nil && st.Blocks*512 < st.Size {
		b.data, b.sparse = hostExtents(f, st.Size)
	}
	return b, nil
}

func (s *hostSource) label(rel string) string { return quote(filepath.Join(s.root, rel)) }

// hostExtents finds the data of a sparse file.
func hostExtents(f *os.File, size int64) (data []unboot.Extent, sparse bool) {
	for pos := int64(0); pos < size; {
		start, err := f.Seek(pos, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return nil, false
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil || end <= start {
			return nil, false
		}
		data = append(data, unboot.Extent{Offset: start, Length: min(end, size) - start})
		pos = end
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, false
	}
	return data, !(len(data) == 1 && data[0] == unboot.Extent{Length: size})
}

// hostXattrs reads all attributes that this process may see, of a symbolic link
// its own unless it is followed.
func hostXattrs(path string, follow bool) (map[string][]byte, error) {
	listxattr, getxattr := unix.Llistxattr, unix.Lgetxattr
	if follow {
		listxattr, getxattr = unix.Listxattr, unix.Getxattr
	}
	var names [4096]byte
	list := names[:]
	n, err := listxattr(path, list)
	if err == unix.ERANGE {
		list = make([]byte, 64<<10)
		n, err = listxattr(path, list)
	}
	if err == unix.EOPNOTSUPP || n == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var m map[string][]byte
	for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
		value := make([]byte, 64<<10)
		n, err := getxattr(path, name, value)
		if err != nil {
			continue // listed, but not for us
		}
		if m == nil {
			m = map[string][]byte{}
		}
		m[name] = append([]byte(nil), value[:n]...)
	}
	return m, nil
}
