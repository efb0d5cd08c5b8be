package vhdx

import (
	"errors"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
	"github.com/unboot/unboot/disk/internal/tables"
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

// segment says how the disk is stored at off, and how far that goes: up to n bytes, and maybe
// less than it could. The caller has checked that off and n are inside the disk, and holds mu.
func (m *Image) segment(off, n int64) (below.Segment, error) {
	block := off >> m.meta.shift
	state, at, err := m.block(block)
	if err != nil {
		return below.Segment{}, err
	}
	in := off & (m.meta.block - 1)
	s := below.Segment{Size: min(n, m.meta.block-in)}
	switch state {
	case statePresent:
		s.Kind, s.Host = disk.Data, at+in
	case statePartial:
		s.Kind, s.Host = disk.Data, at+in
		return s, m.narrow(&s, block, in)
	default:
		s.Kind = m.holeKind(state)
		for s.Size < n {
			state, _, err := m.block((off + s.Size) >> m.meta.shift)
			if err != nil || state == statePresent || state == statePartial || m.holeKind(state) != s.Kind {
				break // an error is found again when it is its turn
			}
			s.Size = min(n, s.Size+m.meta.block)
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
func (m *Image) narrow(s *below.Segment, block, in int64) error {
	at, err := m.bitmap(block)
	if err != nil {
		return err
	}
	first := in / m.meta.sector
	present, n, err := tables.Bits{File: m.tables, At: at}.Run(first, (in+s.Size-1)/m.meta.sector-first+1)
	if err != nil {
		return tableError(err, "bitmap of a block", at)
	}
	s.Size = min(s.Size, (first+n)*m.meta.sector-in)
	if !present {
		s.Kind, s.Host = disk.Hole, 0
	}
	return nil
}
