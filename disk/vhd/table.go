package vhd

import (
	"errors"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// segment says how the disk is stored at off, and how far that goes: up to n bytes, and maybe
// less than it could. The caller has checked that off and n are inside the disk, and holds mu.
func (m *Image) segment(off, n int64) (below.Segment, error) {
	if m.h == nil {
		if off >= m.end {
			return below.Segment{}, damaged("a disk of %d bytes of which the file has %d (was it truncated?)", m.size, m.end)
		}
		return below.Segment{Kind: disk.Data, Size: min(n, m.end-off), Host: off}, nil
	}
	block := off >> m.h.shift
	at, err := m.blockAt(block)
	if err != nil {
		return below.Segment{}, err
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
		return below.Segment{Kind: disk.Hole, Size: min(n, end-off)}, nil
	}
	in := off & (m.h.block - 1)
	s := below.Segment{Kind: disk.Data, Size: min(n, m.h.block-in), Host: at + m.h.bitmap + in}
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
func (m *Image) narrow(s *below.Segment, at, in int64) error {
	first := in / sector
	present, n, err := m.bitmap(at).Run(first, (in+s.Size-1)/sector-first+1)
	if err != nil {
		return tableError(err, "bitmap of a block", at)
	}
	s.Size = min(s.Size, (first+n)*sector-in)
	if !present {
		s.Kind, s.Host = disk.Hole, 0
	}
	return nil
}
