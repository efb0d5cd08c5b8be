package treecopy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/tarball"
)

// A TarSource is an archive. It is read from one end to the other, so each item is put
// before the next is looked at.
type TarSource struct {
	R *tarball.Reader
	// Exclude, if not nil, reports whether a path of the tree is left out.
	Exclude func(rel string) bool
	// Xattrs, if not nil, reports whether an extended attribute is wanted.
	Xattrs func(name string) bool
	// Label is how messages call a member. Without it, they use its name.
	Label func(name string) string

	cur   *tarball.Header // nil once its content is being read
	arena []byte          // the rest of what room cuts pieces from
}

// An ArchiveError reports that an archive cannot be read any further.
type ArchiveError struct {
	Member string // in which, or "" between two of them
	Err    error
}

func (e *ArchiveError) Error() string {
	if e.Member == "" {
		return e.Err.Error()
	}
	return fmt.Sprintf("%q: %v", e.Member, e.Err)
}

// Unwrap returns e.Err.
func (e *ArchiveError) Unwrap() error { return e.Err }

// ErrClimbs is about a member that is refused, because its name, or that of its hard
// link's target, climbs out of a directory.
var ErrClimbs = errors.New(`a member with ".." in its name: left out`)

// arenaSize is how much memory for small files is taken at once.
const arenaSize = 512 << 10

// room returns memory for a small file.
func (s *TarSource) room(n int) []byte {
	if n > len(s.arena) {
		s.arena = make([]byte, max(n, arenaSize))
	}
	b := s.arena[:n:n]
	s.arena = s.arena[n:]
	return b
}

// label implements [Source].
func (s *TarSource) label(it *Item) string {
	if s.Label != nil {
		return s.Label(it.Name)
	}
	return it.Name
}

// ahead implements [Source].
func (s *TarSource) ahead() bool { return false }

// items reads the archive. What a sink leaves of a member's content is passed by.
func (s *TarSource) items(ctx context.Context) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		for ctx.Err() == nil {
			h, err := s.R.Next()
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, &ArchiveError{Err: err})
				return
			}
			it := s.item(h)
			if it.Err == nil {
				if s.Exclude != nil && s.Exclude(it.Path) {
					continue
				}
				s.cur = h
				if it.Meta.Mode.IsRegular() && it.Hard == "" && !h.Sparse && h.Size <= smallFile {
					it.data, it.loaded = s.room(int(h.Size)), true
					if _, err := io.ReadFull(s.R, it.data); err != nil {
						yield(nil, &ArchiveError{h.Name, noEOF(err)})
						return
					}
				}
			}
			if !yield(it, nil) {
				return
			}
			// An archive that has ended must not go unnoticed.
			if _, err := io.Copy(io.Discard, s.R); err != nil {
				yield(nil, &ArchiveError{h.Name, err})
				return
			}
		}
	}
}

// item translates a header. What cannot be a file has an error.
func (s *TarSource) item(h *tarball.Header) *Item {
	it := &Item{Name: h.Name}
	it.Err = s.translate(it, h)
	return it
}

func (s *TarSource) translate(it *Item, h *tarball.Header) (err error) {
	if it.Path, err = memberPath(h.Name); err != nil {
		return err
	}
	m := &it.Meta
	*m = unboot.Metadata{UID: int(h.UID), GID: int(h.GID), Mtime: h.Mtime, Atime: h.Atime, Size: h.Size}
	if h.UID < 0 || h.UID >= 1<<32-1 || h.GID < 0 || h.GID >= 1<<32-1 {
		return fmt.Errorf("no file can belong to %d:%d", h.UID, h.GID)
	}
	if m.Atime.IsZero() {
		m.Atime = time.Now()
	}
	typ := uint32(unix.S_IFREG)
	switch h.Type {
	case tarball.TypeLink:
		if it.Hard, err = memberPath(h.Linkname); err != nil {
			return err
		}
	case tarball.TypeSymlink:
		typ, m.Link = unix.S_IFLNK, h.Linkname
		if h.Linkname == "" || len(h.Linkname) >= unix.PathMax {
			return fmt.Errorf("a symbolic link to a name of %d bytes", len(h.Linkname))
		}
	case tarball.TypeDir:
		typ = unix.S_IFDIR
	case tarball.TypeFifo:
		typ = unix.S_IFIFO
	case tarball.TypeChar:
		typ, m.Rdev = unix.S_IFCHR, unix.Mkdev(h.Major, h.Minor)
	case tarball.TypeBlock:
		typ, m.Rdev = unix.S_IFBLK, unix.Mkdev(h.Major, h.Minor)
	}
	m.Mode = unboot.FileMode(typ | h.Mode&0o7777)
	for _, x := range h.Xattrs {
		if s.Xattrs != nil && !s.Xattrs(x.Name) {
			continue
		}
		if m.Xattrs == nil {
			m.Xattrs = map[string][]byte{}
		}
		m.Xattrs[x.Name] = []byte(x.Value)
	}
	return nil
}

// memberPath makes a path of a member's name: slashes at the start are dropped,
// as tar does. What climbs up is refused; the sink would not let it out, but
// an archive that has such a name was made to do harm.
func memberPath(name string) (string, error) {
	for elem := range strings.SplitSeq(name, "/") {
		if elem == ".." {
			return "", ErrClimbs
		}
		if len(elem) > unix.NAME_MAX {
			return "", unix.ENAMETOOLONG
		}
	}
	p := unboot.CleanPath(name)
	if len(p) >= unix.PathMax {
		return "", unix.ENAMETOOLONG
	}
	return p, nil
}

// load has nothing to do: items has read what is small.
func (s *TarSource) load([]*Item) {}

// open returns the content of the member that is at hand, once: there is no way back
// in an archive.
func (s *TarSource) open(it *Item) (body, error) {
	h := s.cur
	if h == nil {
		return nil, errors.New("the content was read already")
	}
	s.cur = nil
	return &tarBody{s.R, h}, nil
}

type tarBody struct {
	*tarball.Reader
	h *tarball.Header
}

func (b *tarBody) Close() error { return nil }
func (b *tarBody) holes() bool  { return false }

func (b *tarBody) segments() (data []unboot.Extent, sparse bool) {
	for _, d := range b.h.Data {
		data = append(data, extent(d))
	}
	return data, b.h.Sparse
}

func extent(d tarball.Segment) unboot.Extent { return unboot.Extent{Offset: d.Off, Length: d.Len} }
