package vhdx

import (
	"errors"
	"io"
	"math/bits"

	"github.com/unboot/unboot/disk"
)

// The states of a payload block, and of a bitmap block that is there.
const (
	stateNotPresent  = 0 // in the parent, or zeros
	stateUndefined   = 1
	stateZero        = 2
	stateUnmapped    = 3
	stateUnmappedOld = 5 // of version 0.95 of the specification
	statePresent     = 6
	statePartial     = 7 // its bitmap says which sectors are here

	stateMask = 7
)

// segment is a part of the disk that is stored in one way.
type segment struct {
	kind disk.ExtentKind // Data, Zero, or Hole: in the parent, if there is one
	size int64
	host int64 // of Data: where in the file
}

// segment says how the disk is stored at off, and how far that goes: up to n bytes, and maybe
// less than it could. The caller has checked that off and n are inside the disk, and holds mu.
func (m *Image) segment(off, n int64) (segment, error) {
	block := off >> m.meta.shift
	state, at, err := m.block(block)
	if err != nil {
		return segment{}, err
	}
	in := off & (m.meta.block - 1)
	s := segment{size: min(n, m.meta.block-in)}
	switch state {
	case statePresent:
		s.kind, s.host = disk.Data, at+in
	case statePartial:
		s.kind, s.host = disk.Data, at+in
		return s, m.narrow(&s, block, in)
	default:
		s.kind = m.holeKind(state)
		for s.size < n {
			state, _, err := m.block((off + s.size) >> m.meta.shift)
			if err != nil || state == statePresent || state == statePartial || m.holeKind(state) != s.kind {
				break // an error is found again when it is its turn
			}
			s.size = min(n, s.size+m.meta.block)
		}
	}
	return s, nil
}

// holeKind returns how a block is stored that is not in the file.
func (m *Image) holeKind(state int) disk.ExtentKind {
	switch {
	case state == stateNotPresent, state != stateZero && !m.meta.hasParent:
		return disk.Hole
	}
	return disk.Zero
}

// entryAt returns where in the file the entry of a payload block is.
func (m *Image) entryAt(block int64) int64 {
	return m.regions.bat.at + 8*(block+block>>m.meta.ratioShift)
}

// bitmapEntryAt returns where in the file the entry of the bitmap block of a payload block is.
func (m *Image) bitmapEntryAt(block int64) int64 {
	chunk := block >> m.meta.ratioShift
	return m.regions.bat.at + 8*((chunk+1)*(m.meta.ratio+1)-1)
}

// block returns the state of a payload block, and where it is in the file if it is there.
func (m *Image) block(block int64) (state int, at int64, err error) {
	state, at, err = m.entry(m.entryAt(block))
	if err != nil {
		return 0, 0, err
	}
	switch state {
	case statePresent:
	case statePartial:
		if !m.meta.hasParent {
			return 0, 0, damaged("block %d is partially present in an image that has no parent", block)
		}
	case stateNotPresent, stateUndefined, stateZero, stateUnmapped, stateUnmappedOld:
		return state, 0, nil
	default:
		return 0, 0, damaged("block %d is in the state %d", block, state)
	}
	if at < mib || at > maxFile {
		return 0, 0, damaged("block %d is at %d", block, at)
	}
	return state, at, nil
}

// entry decodes an entry of the block allocation table.
func (m *Image) entry(off int64) (state int, at int64, err error) {
	var b [8]byte
	if err := m.tables.Read(b[:], off); err != nil {
		return 0, 0, tableError(err, "block allocation table", off)
	}
	e := le.Uint64(b[:])
	return int(e & stateMask), int64(min(e&^(mib-1), 1<<63-1)), nil
}

func tableError(err error, what string, off int64) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("the %s at %d lies past the end of the file", what, off)
	}
	return err
}

// bitmap returns where in the file the bits of a payload block are, in the bitmap block of
// its chunk.
func (m *Image) bitmap(block int64) (int64, error) {
	state, at, err := m.entry(m.bitmapEntryAt(block))
	if err != nil {
		return 0, err
	}
	if state != statePresent || at < mib || at > maxFile {
		return 0, damaged("the bitmap of block %d is in the state %d at %d", block, state, at)
	}
	return at + (block&(m.meta.ratio-1))*(m.meta.block/m.meta.sector/8), nil
}

// narrow shortens a segment of a block that is partially present to those sectors that are,
// as the first, in this image or in its parent. The first sector's bit is the lowest of its byte.
func (m *Image) narrow(s *segment, block, in int64) error {
	at, err := m.bitmap(block)
	if err != nil {
		return err
	}
	first, last := in/m.meta.sector, (in+s.size-1)/m.meta.sector
	present, n := false, int64(0)
	for i := first; i <= last; {
		var b [1]byte
		if err := m.tables.Read(b[:], at+i/8); err != nil {
			return tableError(err, "bitmap of a block", at+i/8)
		}
		bit := uint(i % 8)
		if i == first {
			present = b[0]>>bit&1 != 0
		}
		same := b[0]
		if present {
			same = ^same
		}
		run := int64(min(bits.TrailingZeros8(same>>bit), int(8-bit)))
		n += run
		if i += run; run < int64(8-bit) {
			break
		}
	}
	s.size = min(s.size, (first+n)*m.meta.sector-in)
	if !present {
		s.kind, s.host = disk.Hole, 0
	}
	return nil
}
