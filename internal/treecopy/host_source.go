package treecopy

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

// A HostSource is a tree of the host, or a single file.
type HostSource struct {
	// Root is its clean host path.
	Root string
	// Follow says that Root is followed if it is a symbolic link. Nothing below it is.
	Follow bool
	// Exclude, if not nil, reports whether a path of the tree is left out, with all
	// that is below it.
	Exclude func(rel string) bool
	// NoXattrs leaves out extended attributes.
	NoXattrs bool
	// Written are files that are being written to by the transfer itself: an error,
	// and left out.
	Written map[FileID]bool
	// Label is how messages call a path of the tree. Without it, they use the host
	// path.
	Label func(rel string) string

	links linkTable
}

func (s *HostSource) items(ctx context.Context) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		root := s.Root
		if s.Follow {
			// A walk does not follow its root. What is not a directory is
			// opened by its own name, which may lead where no path does, as
			// /dev/stdin to a file that was removed.
			st, err := os.Stat(root)
			if err == nil && st.IsDir() {
				root, err = filepath.EvalSymlinks(root)
			}
			if err != nil {
				yield(&Item{Path: ".", Err: err}, nil)
				return
			}
			s.Root = root
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
			it := &Item{Path: rel}
			switch {
			case err != nil:
				it.Err = err
			case s.Exclude != nil && s.Exclude(rel):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			default:
				s.stat(it)
			}
			if !yield(it, nil) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

// follows reports whether an item is what a link leads to.
func (s *HostSource) follows(it *Item) bool { return s.Follow && it.Path == "." }

func (s *HostSource) path(it *Item) string {
	if it.Path == "." {
		return s.Root
	}
	return s.Root + "/" + it.Path
}

func (s *HostSource) stat(it *Item) {
	var st unix.Stat_t
	p, stat := s.path(it), unix.Lstat
	if s.follows(it) {
		stat = unix.Stat
	}
	if it.Err = stat(p, &st); it.Err != nil {
		return
	}
	it.Meta = unboot.Metadata{
		Mode: unboot.FileMode(st.Mode), UID: int(st.Uid), GID: int(st.Gid),
		Atime: time.Unix(st.Atim.Unix()), Mtime: time.Unix(st.Mtim.Unix()),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		it.Meta.Rdev = uint64(st.Rdev)
	case unix.S_IFREG:
		it.Meta.Size = st.Size
		// As tar(1) leaves out the archive that it writes.
		if s.Written[FileID{uint64(st.Dev), st.Ino}] {
			it.Err = errors.New("it is a disk of the image that is written to, and left out")
			return
		}
	case unix.S_IFLNK:
		it.Meta.Link, it.Err = os.Readlink(p)
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		it.Hard = s.links.first(FileID{uint64(st.Dev), st.Ino}, it.Path)
		it.shared = it.Hard == ""
	}
}

func (s *HostSource) load(items []*Item) {
	for _, it := range items {
		if it.Err != nil || it.Hard != "" {
			continue
		}
		p := s.path(it)
		if !s.NoXattrs {
			if it.Meta.Xattrs, it.Err = HostXattrs(p, s.follows(it)); it.Err != nil {
				continue
			}
		}
		if it.Meta.Mode.IsRegular() && it.Meta.Size <= smallFile {
			it.data, it.Err = os.ReadFile(p)
			it.loaded, it.Meta.Size = true, int64(len(it.data))
		}
	}
}

func (s *HostSource) open(it *Item) (body, error) {
	// Not a FIFO that has taken its place: that would wait forever.
	flags := os.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	if s.follows(it) {
		flags &^= unix.O_NOFOLLOW
	}
	f, err := os.OpenFile(s.path(it), flags, 0)
	if err != nil {
		return nil, err
	}
	b := &sectionBody{file: f, whole: f}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err == nil && st.Blocks*512 < st.Size {
		b.data, b.sparse = hostExtents(f, st.Size)
	}
	return b, nil
}

// ahead implements [Source].
func (s *HostSource) ahead() bool { return true }

func (s *HostSource) label(it *Item) string {
	if s.Label != nil {
		return s.Label(it.Path)
	}
	return filepath.Join(s.Root, it.Path)
}

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

// HostXattrs reads all attributes that this process may see, of a symbolic link
// its own unless it is followed.
func HostXattrs(path string, follow bool) (map[string][]byte, error) {
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
