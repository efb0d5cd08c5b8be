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
	p = p[:s.Size]
	switch {
	case s.Kind == disk.Data && e.flat != nil:
		err = readFull(e.flat, p, s.Host)
	case s.Kind == disk.Data:
		err = e.sparse.readData(p, off, s.Host)
	case s.Kind == disk.Compressed:
		err = e.sparse.readCompressed(p, off, s.Host, m.blocks)
	case s.Kind == disk.Hole:
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
func (m *Image) segment(e *extent, off, n int64) (below.Segment, error) {
	switch {
	case e.access == "NOACCESS":
		return below.Segment{}, errNoAccess
	case e.sparse != nil:
		return e.sparse.segment(off, n)
	case e.flat != nil:
		return below.Segment{Kind: disk.Data, Size: n, Host: e.flatAt + off}, nil
	}
	return below.Segment{Kind: disk.Zero, Size: n}, nil
}
