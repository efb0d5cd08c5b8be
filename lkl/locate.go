package lkl

import (
	"cmp"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// locateMax is the most pieces that one read is answered with. A file that lies
// in more is read by the kernel.
const locateMax = 64

// A Span is a part of a file that [View.Locate] has read, or has found and not
// read.
type Span struct {
	p []byte // its memory, filled if v is nil

	// Where it is. The numbers are the kernel process's.
	v      *View
	disk   uint32
	offset uint64
}

// Found reports whether the data was left where it is, and not read.
func (s *Span) Found() bool { return s.v != nil }

// Len returns the length in bytes.
func (s *Span) Len() int { return len(s.p) }

// SetMemory makes p, of Len bytes, the span's memory instead of what Locate was
// given, which is not needed any more then: what has been read is copied, and
// what was only found will be read to p.
func (s *Span) SetMemory(p []byte) {
	p = p[:len(s.p):len(s.p)]
	if s.v == nil {
		copy(p, s.p)
	}
	s.p = p
}

// Bytes returns the data, in the memory that Locate or SetMemory was given. What
// was only found is read now, and by this program: the calls of several goroutines
// copy on several processors, where the kernel has one.
func (s *Span) Bytes() ([]byte, error) {
	if s.v == nil {
		return s.p, nil
	}
	d, err := s.hold()
	if err != nil {
		return nil, err
	}
	defer d.requests.Done()
	if err := readAll(d.dev, s.p, int64(s.offset)); err != nil {
		return nil, errnoOf(err)
	}
	s.v = nil
	return s.p, nil
}

// SendTo has the host send the data to a file, a pipe or a connection, as
// sendfile(2), from where it was found. It returns how much it has sent. The
// rest, and the reason, are to be had by writing what Bytes returns.
func (s *Span) SendTo(w *os.File) (n int) {
	if s.v == nil {
		return 0
	}
	d, err := s.hold()
	if err != nil {
		return 0
	}
	f, ok := d.dev.(*hostFile)
	if ok {
		f, err = f.dup()
	}
	d.requests.Done() // a pipe may be full forever: that must not keep the disk
	if !ok || err != nil {
		return 0
	}
	defer unix.Close(f.fd)
	return f.sendTo(w, int64(s.offset), len(s.p))
}

// hold returns the disk on which the span was found, which stays open until its
// requests are one less.
func (s *Span) hold() (*disk, error) {
	d := s.v.k.server.hold(s.disk)
	if d == nil {
		if err := s.v.k.endError(); err != nil {
			return nil, err
		}
		return nil, unix.ENODEV
	}
	size := uint64(d.size)
	if s.offset > size || uint64(len(s.p)) > size-s.offset {
		d.requests.Done()
		return nil, unix.EIO
	}
	return d, nil
}

// Locate reads as [View.PreadDirect], but what lies plainly on a disk that does not
// change, or on volumes that only map such disks, may be left there. The spans follow each other from offset on. If p is
// not memory of a [Buffer], all is read.
func (v *View) Locate(fd int, p []byte, offset int64) ([]Span, error) {
	return v.locateIn(nil, fd, p, offset)
}

// locateIn appends the spans.
func (v *View) locateIn(spans []Span, fd int, p []byte, offset int64) ([]Span, error) {
	addr, ok := v.k.w.addr(p)
	if !ok {
		n, err := v.readPieces(fd, p, offset)
		if n > 0 {
			spans = append(spans, Span{p: p[:n]})
		}
		return spans, err
	}
	for done := 0; done < len(p); {
		n, err := v.locate(&spans, fd, p[done:], addr+uint64(done), offset+int64(done))
		if err != nil || n == 0 {
			return spans, err
		}
		done += n
	}
	return spans, nil
}

// locate makes one call for p, whose address in the window is addr.
func (v *View) locate(spans *[]Span, fd int, p []byte, addr uint64, offset int64) (int, error) {
	c, err := v.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	mem, at := c.room(locateMax * sizeofPiece)
	n, err := c.do(opLocate, uint64(fd), addr, uint64(len(p)), uint64(offset), at, locateMax)
	if err != nil {
		return n, err
	}
	if n > len(p) {
		return -1, v.k.violated("read")
	}
	var room [locateMax]abiPiece
	pieces := room[:0]
	for ; len(mem) > 0; mem = mem[sizeofPiece:] {
		piece := loadPiece(mem)
		if piece.Length == 0 {
			break
		}
		pieces = append(pieces, piece)
	}
	if *spans, err = v.spans(*spans, p[:n], addr-windowBase, pieces); err != nil {
		return -1, err
	}
	return n, nil
}

// spans appends what p is made of, which begins at an offset of the window.
func (v *View) spans(spans []Span, p []byte, start uint64, pieces []abiPiece) ([]Span, error) {
	slices.SortFunc(pieces, func(a, b abiPiece) int { return cmp.Compare(a.Buffer, b.Buffer) })
	at := uint64(0)
	for _, piece := range pieces {
		skip := piece.Buffer - start // beyond all lengths if it is below
		if skip >= uint64(len(p)) {
			continue // past the end of the file
		}
		if skip < at {
			return nil, v.k.violated("read")
		}
		if skip > at {
			spans = append(spans, Span{p: p[at:skip]})
		}
		at = skip + min(piece.Length, uint64(len(p))-skip)
		spans = append(spans, Span{p: p[skip:at], v: v, disk: piece.Disk, offset: piece.Offset})
	}
	if at < uint64(len(p)) {
		spans = append(spans, Span{p: p[at:]})
	}
	return spans, nil
}

// hold returns a disk that stays open until its requests are one less, or nil.
func (s *server) hold(id uint32) *disk {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || id >= maxDisks || s.disks[id] == nil {
		return nil
	}
	d := s.disks[id]
	d.requests.Add(1)
	return d
}
