package vhd

import (
	"errors"
	"io"
	"math/bits"

	"github.com/unboot/unboot/disk"
)

// segment is a part of the disk that is stored in one way.
type segment struct {
	kind disk.ExtentKind // Data or Hole
	size int64
	host int64 // of Data: where in the file
}

// segment says how the disk is stored at off, and how far that goes: up to n bytes, and maybe
// less than it could. The caller has checked that off and n are inside the disk, and holds mu.
func (m *Image) segment(off, n int64) (segment, error) {
	if m.h == nil {
		if off >= m.end {
			return segment{}, damaged("a disk of %d bytes of which the file has %d (was it truncated?)", m.size, m.end)
		}
		return segment{disk.Data, min(n, m.end-off), off}, nil
	}
	block := off >> m.h.shift
	at, err := m.blockAt(block)
	if err != nil {
		return segment{}, err
	}
	if at == 0 {
		end := (block + 1) << m.h.shift
		for end < off+n {
			next, err := m.blockAt(end >> m.h.shift)
			if err != nil || next != 0 {
				break // an error is found again when it is its turn
			}
			end += m.h.block
		}
		return segment{disk.Hole, min(n, end-off), 0}, nil
	}
	in := off & (m.h.block - 1)
	s := segment{disk.Data, min(n, m.h.block-in), at + m.h.bitmap + in}
	if m.f.Kind == Differencing {
		if err := m.narrow(&s, at, in); err != nil {
			return s, err
		}
	}
	return s, nil
}

// blockAt returns where in the file a block begins, with its bitmap, or 0 if it has none.
func (m *Image) blockAt(block int64) (int64, error) {
	off := m.h.table + block*4
	var b [4]byte
	if err := m.tables.Read(b[:], off); err != nil {
		return 0, tableError(err, "block allocation table", off)
	}
	entry := be.Uint32(b[:])
	if entry == unused {
		return 0, nil
	}
	at := int64(entry) * sector
	if at < footerSize+headerSize {
		return 0, damaged("block %d is at %d, where the header is", block, at)
	}
	return at, nil
}

func tableError(err error, what string, off int64) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("the %s at %d lies past the end of the file", what, off)
	}
	return err
}

// narrow shortens a segment of a block of a differencing image to those sectors that are, as
// the first, in this image or in its parent. The bitmap has a bit for each sector, the first
// one the highest of its byte.
func (m *Image) narrow(s *segment, at, in int64) error {
	first, last := in/sector, (in+s.size-1)/sector
	present, n := false, int64(0)
	for i := first; i <= last; {
		off := at + i/8
		var b [1]byte
		if err := m.tables.Read(b[:], off); err != nil {
			return tableError(err, "bitmap of a block", off)
		}
		bit := uint(i % 8)
		if i == first {
			present = b[0]<<bit&0x80 != 0
		}
		same := b[0] << bit
		if present {
			same = ^same
		}
		run := int64(min(bits.LeadingZeros8(same), int(8-bit)))
		n += run
		if i += run; run < int64(8-bit) {
			break
		}
	}
	s.size = min(s.size, (first+n)*sector-in)
	if !present {
		s.kind, s.host = disk.Hole, 0
	}
	return nil
}
