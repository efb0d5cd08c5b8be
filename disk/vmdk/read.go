package vmdk

import (
	"errors"
	"io"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

var errNoAccess = errors.New("the descriptor allows no access to it")

// ReadAt reads from the disk, as io.ReaderAt.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, m.wrap("read", syscall.EINVAL)
	}
	var end error
	if left := m.size - off; int64(len(p)) > left {
		p, end = p[:max(left, 0)], io.EOF
	}
	done := 0
	for done < len(p) {
		e := m.extents[m.extent(off)]
		in := off - e.start
		piece := p[done:][:min(int64(len(p)-done), e.size-in)]
		n, err := m.readExtent(e, piece, in)
		done += n
		off += int64(n)
		if err != nil {
			return done, m.wrap("read", e.wrap(err))
		}
	}
	return done, end
}

// readExtent reads some of an extent, from off of it.
func (m *Image) readExtent(e *extent, p []byte, off int64) (int, error) {
	s, err := m.segment(e, off, int64(len(p)))
	if err != nil {
		return 0, err
	}
	p = p[:s.size]
	switch {
	case s.kind == disk.Data && e.flat != nil:
		err = readFull(e.flat, p, s.host)
	case s.kind == disk.Data:
		err = e.sparse.readData(p, off, s.host)
	case s.kind == disk.Compressed:
		err = e.sparse.readCompressed(p, off, s.host, m.blocks)
	case s.kind == disk.Hole:
		err = below.Read(m.parent, p, e.start+off)
	default:
		clear(p)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// segment says how up to n bytes from off of an extent on are stored.
func (m *Image) segment(e *extent, off, n int64) (segment, error) {
	switch {
	case e.access == "NOACCESS":
		return segment{}, errNoAccess
	case e.sparse != nil:
		return e.sparse.segment(off, n)
	case e.flat != nil:
		return segment{n, disk.Data, e.flatAt + off}, nil
	}
	return segment{n, disk.Zero, 0}, nil
}
