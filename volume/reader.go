package volume

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// NewReader returns a reader of the device that a table describes, without a kernel: at
// returns how to read a device that the table lies on. It reports false if the table has
// targets other than linear, striped, zero and error, or is one that the kernel refuses to
// load. What it reads is what the kernel reads: an error target returns EIO. It reads
// concurrently as far as those devices do.
func NewReader(table []Target, at func(Base) io.ReaderAt) (io.ReaderAt, bool) {
	r := &reader{segments: make([]segment, 0, len(table))}
	for _, t := range table {
		if t.Start != r.sectors || t.Length <= 0 || t.Length > math.MaxInt64/SectorSize-t.Start {
			return nil, false
		}
		s, ok := newSegment(t, at)
		if !ok {
			return nil, false
		}
		r.segments = append(r.segments, s)
		r.sectors += t.Length
	}
	return r, len(table) > 0
}

// A reader reads the segments of a table, which follow each other without gaps.
type reader struct {
	segments []segment
	sectors  int64
}

// A segment is a target that can be read: chunks of it lie on the legs in turn. A linear
// one has a single leg and is one chunk. All units are bytes.
type segment struct {
	start, end int64
	chunk      int64
	legs       []leg
	err        error // of all reads, if there are no legs; nil of zeroes
}

type leg struct {
	r      io.ReaderAt
	offset int64
}

func newSegment(t Target, at func(Base) io.ReaderAt) (segment, bool) {
	s := segment{start: t.Start * SectorSize, end: (t.Start + t.Length) * SectorSize}
	words := strings.Fields(t.Params)
	perLeg := t.Length
	switch {
	case t.Type == "zero" && len(words) == 0:
		return s, true
	case t.Type == "error":
		s.err = unix.EIO
		return s, true
	case t.Type == "linear":
		s.chunk = t.Length * SectorSize
	case t.Type == "striped" && len(words) >= 4:
		legs, err1 := strconv.ParseInt(words[0], 10, 32)
		chunk, err2 := strconv.ParseInt(words[1], 10, 32)
		if err1 != nil || err2 != nil || legs < 1 || chunk < 1 ||
			t.Length%legs != 0 || t.Length/legs%chunk != 0 || int64(len(words)-2) != 2*legs {
			return s, false
		}
		s.chunk = chunk * SectorSize
		perLeg = t.Length / legs
		words = words[2:]
	default:
		return s, false
	}
	if len(words) != 2*len(t.Devices) || len(words) == 0 || t.Type == "linear" && len(words) != 2 {
		return s, false
	}
	for i, device := range t.Devices {
		offset, err := strconv.ParseInt(words[2*i+1], 10, 64)
		if words[2*i] != "@" || err != nil || offset < 0 || offset > math.MaxInt64/SectorSize-perLeg {
			return s, false
		}
		r := at(device)
		if r == nil {
			return s, false
		}
		s.legs = append(s.legs, leg{r, offset * SectorSize})
	}
	return s, true
}

// ReadAt implements [io.ReaderAt].
func (r *reader) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("reading at offset %d: %w", off, unix.EINVAL)
	}
	i := sort.Search(len(r.segments), func(i int) bool { return r.segments[i].end > off })
	for ; n < len(b); i++ {
		if i == len(r.segments) {
			return n, io.EOF
		}
		s := &r.segments[i]
		m, err := s.readAt(b[n:][:min(int64(len(b)-n), s.end-off)], off-s.start)
		n += m
		off += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readAt reads a range that lies wholly in the segment.
func (s *segment) readAt(b []byte, off int64) (n int, err error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(s.legs) == 0 {
		clear(b)
		return len(b), nil
	}
	legs := int64(len(s.legs))
	for n < len(b) {
		chunk, in := off/s.chunk, off%s.chunk
		l := s.legs[chunk%legs]
		piece := b[n:][:min(int64(len(b)-n), s.chunk-in)]
		m, err := l.r.ReadAt(piece, l.offset+chunk/legs*s.chunk+in)
		n += m
		off += int64(m)
		if m < len(piece) {
			// The table says that there is more: its end is not the device's.
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
	}
	return n, nil
}
