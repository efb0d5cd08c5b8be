package treecopy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/tarball"
)

// A TarSink writes an archive.
type TarSink struct {
	W *tarball.Writer
	// Base is the name of the tree's root, with which all names begin. It is "." if it
	// is left out.
	Base string
	// Owners, if not nil, returns the names of a user and a group, or "".
	Owners func(uid, gid int) (user, group string)
	Report Report
}

// start and close implement [Sink].
func (s *TarSink) start() {}
func (s *TarSink) close() {}

// add implements [Sink].
func (s *TarSink) add(it *Item, src Source) error {
	if it.Err != nil {
		it.left = true
		return s.Report.fail(src.label(it), it.Err)
	}
	h, err := s.header(it)
	if err != nil {
		it.left = true
		s.Report.warn(src.label(it), err)
		return nil
	}
	if s.Report.Tell != nil {
		s.Report.Tell(h.Name)
	}
	s.Report.moved()
	if h.Type == tarball.TypeReg && !it.loaded {
		return s.large(h, it, src)
	}
	if err := s.W.WriteHeader(h); err != nil {
		return s.refused(err, it, src)
	}
	if len(it.data) > 0 && h.Type == tarball.TypeReg {
		_, err = s.W.Write(it.data)
		s.Report.passed(len(it.data))
	}
	return err
}

// refused distinguishes an error about a member, which is left out, from one of writing.
func (s *TarSink) refused(err error, it *Item, src Source) error {
	if !errors.Is(err, tarball.ErrInvalid) {
		return err
	}
	it.left = true
	return s.Report.fail(src.label(it), err)
}

// name is how the archive calls an item: "./" and "./etc/passwd", as those of
// "tar -c ." are, or "etc" and "etc/passwd".
func (s *TarSink) name(p string) string {
	switch {
	case s.Base != "" && p == ".":
		return s.Base
	case s.Base != "":
		return s.Base + "/" + p
	case p == ".":
		return "./"
	}
	return "./" + p
}

func (s *TarSink) header(it *Item) (*tarball.Header, error) {
	m := &it.Meta
	h := &tarball.Header{Name: s.name(it.Path), Mode: unboot.UnixMode(m.Mode) & 0o7777, UID: int64(m.UID), GID: int64(m.GID), Mtime: m.Mtime}
	if s.Owners != nil {
		h.User, h.Group = s.Owners(m.UID, m.GID)
	}
	switch m.Mode.Type() {
	case 0:
		h.Type, h.Size = tarball.TypeReg, m.Size
	case fs.ModeDir:
		h.Type = tarball.TypeDir
	case fs.ModeSymlink:
		h.Type, h.Linkname = tarball.TypeSymlink, m.Link
	case fs.ModeNamedPipe:
		h.Type = tarball.TypeFifo
	case fs.ModeDevice:
		h.Type, h.Major, h.Minor = tarball.TypeBlock, unix.Major(m.Rdev), unix.Minor(m.Rdev)
	case fs.ModeDevice | fs.ModeCharDevice:
		h.Type, h.Major, h.Minor = tarball.TypeChar, unix.Major(m.Rdev), unix.Minor(m.Rdev)
	case fs.ModeSocket:
		return nil, errors.New("a socket, which archives do not hold: left out")
	default:
		return nil, errors.New("of unknown type: left out")
	}
	if it.Hard != "" {
		h.Type, h.Linkname, h.Size = tarball.TypeLink, s.name(it.Hard), 0
		return h, nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.Xattrs)) {
		h.Xattrs = append(h.Xattrs, tarball.Xattr{Name: name, Value: string(m.Xattrs[name])})
	}
	return h, nil
}

// large writes a file that is not in memory. What cannot be read of it is zeros
// in the archive, and an error.
func (s *TarSink) large(h *tarball.Header, it *Item, src Source) error {
	b, err := src.open(it)
	if err != nil {
		it.left = true
		return s.Report.fail(src.label(it), err)
	}
	defer b.Close()
	if data, sparse := b.segments(); sparse {
		h.Sparse = true
		for _, e := range data {
			h.Data = append(h.Data, tarball.Segment{Off: e.Offset, Len: e.Length})
		}
		h.Data = tarball.Align(h.Data, h.Size)
		if sb, ok := b.(*sectionBody); ok { // reads the aligned ones too
			sb.data = sb.data[:0]
			for _, d := range h.Data {
				sb.data = append(sb.data, extent(d))
			}
		}
	}
	if err := s.W.WriteHeader(h); err != nil {
		return s.refused(err, it, src)
	}
	w := &limitedWriter{w: s.W, left: h.Stored(), r: &s.Report}
	if sb, ok := b.(*sectionBody); ok {
		_, err = sb.WriteTo(w)
	} else {
		_, err = io.Copy(w, b)
	}
	if w.err != nil {
		return w.err
	}
	if err == nil && s.W.Left() > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		err = fmt.Errorf("%w (the archive has zeros in its place)", cause(err))
		if err := s.Report.fail(src.label(it), err); err != nil {
			return err
		}
		return s.W.Fill()
	}
	return nil
}

// limitedWriter keeps apart the errors of writing, and what is more than was
// announced.
type limitedWriter struct {
	w    io.Writer
	left int64
	r    *Report
	err  error
}

func (w *limitedWriter) Write(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(b)) > w.left {
		return 0, errors.New("longer than its size says")
	}
	n, err := w.w.Write(b)
	w.left -= int64(n)
	w.r.passed(n)
	w.err = err
	return n, err
}

func (s *TarSink) finish() error {
	err := s.W.Close()
	if errors.Is(err, syscall.EPIPE) {
		return syscall.EPIPE
	}
	return err
}
