package vdi

import (
	"errors"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Entries of the block map that are not the number of a place in the file.
const (
	entryNone = 0xffffffff // not in this image
	entryZero = 0xfffffffe // zeros
)

// segment says how up to n bytes from off on are stored, which is inside of the disk.
func (m *Image) segment(off, n int64) (below.Segment, error) {
	block, in := off/m.h.BlockSize, off%m.h.BlockSize
	first, err := m.block(block)
	if err != nil {
		return first, err
	}
	first.Size -= in
	first.Host += in
	for first.Size < n {
		block++
		next, err := m.block(block)
		if err != nil || !first.Join(next) {
			break // an error is found again when it is its turn
		}
	}
	first.Size = min(first.Size, n)
	return first, nil
}

// block says how a block is stored.
func (m *Image) block(block int64) (below.Segment, error) {
	s := below.Segment{Size: m.h.BlockSize}
	e, err := m.entry(block)
	switch {
	case err != nil:
		return s, err
	case e == entryNone:
		s.Kind = disk.Hole
	case e == entryZero:
		s.Kind = disk.Zero
	case int64(e) >= m.h.Blocks:
		return s, damaged("block %d is said to be the one number %d of %d in the file", block, e, m.h.Blocks)
	default:
		s.Kind, s.Host = disk.Data, m.h.dataOf(int64(e))
	}
	return s, nil
}

// entry returns an entry of the block map.
func (m *Image) entry(block int64) (uint32, error) {
	m.waiting.RLock()
	e, ok := m.pending[block]
	m.waiting.RUnlock()
	if ok {
		return e, nil
	}
	var b [4]byte
	err := m.table.Read(b[:], m.h.mapAt+block*4)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = damaged("the block map ends at block %d (was the file truncated?)", block)
	}
	return le.Uint32(b[:]), err
}

// ReadAt reads from the disk, as io.ReaderAt.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	n, err := below.ReadAt(p, off, m.h.Size, m.parent, m.segment, m.readData)
	return n, m.wrap("read", err)
}

// inFile returns an error if one of the blocks of n bytes, from off on, begins past the end
// of the file, which was truncated then. The last one in a file may be shorter, and the
// rest of it is zeros.
func (m *Image) inFile(off, host, n, size int64) error {
	last := host + n - 1 - (off+n-1)%m.h.BlockSize
	if n > 0 && last >= size {
		return damaged("the block at %d lies past the end of the file, which has %d bytes (was it truncated?)", last, size)
	}
	return nil
}

// readData reads what is in the file, and begins at off of the disk.
func (m *Image) readData(p []byte, off, host int64) error {
	size := m.file.Size()
	if err := m.inFile(off, host, int64(len(p)), size); err != nil {
		return err
	}
	there := min(max(size-host, 0), int64(len(p)))
	clear(p[there:])
	return readFull(m.file, p[:there], host)
}
