package main

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
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

// tarSource reads an archive. It is read from one end to the other, so it is not
// for transfer: each item is put before the next is looked at.
type tarSource struct {
	a       *app
	name    string // for messages
	r       *tarball.Reader
	cur     *tarball.Header // nil once its content is being read
	exclude []glob
	arena   []byte // the rest of what room cuts pieces from
}

// room returns memory for a small file.
func (s *tarSource) room(n int) []byte {
	if n > len(s.arena) {
		s.arena = make([]byte, max(n, putBytes))
	}
	b := s.arena[:n:n]
	s.arena = s.arena[n:]
	return b
}

func (s *tarSource) label(p string) string { return quote(s.name) + ": " + quote(p) }

// unpack puts all members into a sink.
func (s *tarSource) unpack(dst *imageSink) error {
	for {
		if err := s.a.ctx.Err(); err != nil {
			return err
		}
		h, err := s.r.Next()
		if err == io.EOF {
			if s.r.More() {
				s.a.warn(fmt.Errorf("%s: another archive follows, which is left out: at byte %d", quote(s.name), s.r.Offset()))
			}
			return dst.finish()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", quote(s.name), err)
		}
		it, err := s.item(h)
		if err != nil {
			s.a.fail(fmt.Errorf("%s: %w", s.label(h.Name), err))
			continue
		}
		if excluded(s.exclude, it.path) {
			continue
		}
		s.cur = h
		if it.meta.Mode.IsRegular() && it.hard == "" && !h.Sparse && h.Size <= smallFile {
			it.data, it.loaded = s.room(int(h.Size)), true
			if _, err := io.ReadFull(s.r, it.data); err != nil {
				return fmt.Errorf("%s: %w", s.label(h.Name), noEOF(err))
			}
		}
		if err := dst.add(it, s); err != nil {
			return err
		}
		// A sink that has failed half way leaves the rest of the file;
		// an archive that has ended must not go unnoticed.
		if _, err := io.Copy(io.Discard, s.r); err != nil {
			return fmt.Errorf("%s: %w", s.label(h.Name), err)
		}
	}
}

// item translates a header.
func (s *tarSource) item(h *tarball.Header) (*item, error) {
	p, err := memberPath(h.Name)
	if err != nil {
		return nil, err
	}
	it := &item{path: p}
	m := &it.meta
	*m = unboot.Metadata{UID: int(h.UID), GID: int(h.GID), Mtime: h.Mtime, Atime: h.Atime, Size: h.Size}
	if h.UID < 0 || h.UID >= 1<<32-1 || h.GID < 0 || h.GID >= 1<<32-1 {
		return nil, fmt.Errorf("no file can belong to %d:%d", h.UID, h.GID)
	}
	if m.Atime.IsZero() {
		m.Atime = time.Now()
	}
	typ := uint32(unix.S_IFREG)
	switch h.Type {
	case tarball.TypeLink:
		if it.hard, err = memberPath(h.Linkname); err != nil {
			return nil, err
		}
	case tarball.TypeSymlink:
		typ, m.Link = unix.S_IFLNK, h.Linkname
		if h.Linkname == "" || len(h.Linkname) >= unix.PathMax {
			return nil, fmt.Errorf("a symbolic link to a name of %d bytes", len(h.Linkname))
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
		if m.Xattrs == nil {
			m.Xattrs = map[string][]byte{}
		}
		m.Xattrs[x.Name] = []byte(x.Value)
	}
	return it, nil
}

// memberPath makes a path of a member's name: slashes at the start are dropped,
// as tar does. What climbs up is refused; the sink would not let it out, but
// whoever wrote it means no good.
func memberPath(name string) (string, error) {
	for elem := range strings.SplitSeq(name, "/") {
		if elem == ".." {
			return "", errors.New("a member with \"..\" in its name: left out")
		}
		if len(elem) > 255 {
			return "", unix.ENAMETOOLONG
		}
	}
	p := unboot.CleanPath(name)
	if len(p) >= unix.PathMax {
		return "", unix.ENAMETOOLONG
	}
	return p, nil
}

// load has nothing to do: unpack has read what is small.
func (s *tarSource) load([]*item) {}

func (s *tarSource) items(context.Context) iter.Seq[*item] { panic("an archive is unpacked") }

// open returns the content of the member that is at hand, once: there is no way back
// in an archive.
func (s *tarSource) open(it *item) (body, error) {
	h := s.cur
	if h == nil {
		return nil, errors.New("the content was read already")
	}
	s.cur = nil
	return &tarBody{s.r, h}, nil
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

// decompressed looks at the start of an archive and unpacks what this program
// can. It does not by the name: that of standard input says nothing.
func decompressed(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	magic, _ := br.Peek(6)
	hint := ""
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(z, 64<<10), nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bufio.NewReaderSize(bzip2.NewReader(br), 64<<10), nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		hint = "xz -dc"
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")):
		hint = "zstd -dc"
	case bytes.HasPrefix(magic, []byte("\x04\x22\x4d\x18")):
		hint = "lz4 -dc"
	case len(magic) == 0:
		return nil, errors.New("the archive is empty")
	default:
		return br, nil
	}
	return nil, fmt.Errorf("the archive is compressed (try %s FILE | unboot tar -x IMAGE:PATH)", hint)
}
