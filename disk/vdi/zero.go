package vdi

import (
	"errors"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Discard gives what blocks have of a range back to the host, where that can be. The
// blocks keep their places in the file, and then read as zeros: a place without a block
// would be taken for a damage by QEMU.
func (m *Image) Discard(off, n int64) error {
	return m.each("discard", off, n, func(off, n int64) (int64, error) {
		s, err := m.segment(off, n)
		if err != nil || s.Kind != disk.Data {
			return s.Size, err
		}
		if d, ok := disk.As[disk.Discarder](m.file); ok {
			defer m.written.Store(true)
			if err := d.Discard(s.Host, s.Size); err != nil && !errors.Is(err, syscall.EOPNOTSUPP) {
				return 0, err
			}
		}
		return s.Size, nil
	})
}

// WriteZeroes zeroes a range. What is not in the image, and is zeros, is left out of it;
// whole blocks that the parent has are said to be zeros; what is in the file is zeroed in
// its place, as fallocate(2) with FALLOC_FL_ZERO_RANGE where the host has that.
func (m *Image) WriteZeroes(off, n int64) error {
	return m.each("write zeroes", off, n, func(off, n int64) (int64, error) {
		s, err := m.segment(off, n)
		if err != nil {
			return 0, err
		}
		switch {
		case s.Kind == disk.Zero, s.Kind == disk.Hole && (m.parent == nil || off >= m.parent.Size()):
			return s.Size, nil
		case s.Kind == disk.Data:
			if done, err := m.zeroData(s); done || err != nil {
				return s.Size, err
			}
		case off%m.h.BlockSize == 0 && s.Size >= m.h.BlockSize:
			return m.h.BlockSize, m.zeroBlock(off / m.h.BlockSize)
		}
		done, err := m.write(below.Zeros[:min(s.Size, 256<<10)], off)
		return int64(done), err
	})
}

// zeroData zeroes what is in the file, if that has a way to do so.
func (m *Image) zeroData(s below.Segment) (bool, error) {
	z, ok := disk.As[disk.ZeroWriter](m.file)
	if !ok {
		return false, nil
	}
	defer m.written.Store(true)
	err := z.WriteZeroes(s.Host, s.Size)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return false, nil
	}
	return err == nil, err
}

// zeroBlock notes that a block is zeros, if it is not in the file.
func (m *Image) zeroBlock(block int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.block(block)
	if err != nil {
		return err
	}
	if s.Kind == disk.Data { // another goroutine has been here
		_, err := m.file.WriteAt(make([]byte, s.Size), s.Host)
		return err
	}
	m.setEntry(block, entryZero)
	m.written.Store(true)
	return m.relieve()
}

// each has a range done piece by piece: do does as much as it likes, from off on.
func (m *Image) each(op string, off, n int64, do func(off, n int64) (int64, error)) error {
	if err := m.begin(off, n); err != nil {
		return m.wrap(op, err)
	}
	for n > 0 {
		done, err := do(off, n)
		if err != nil {
			return m.wrap(op, err)
		}
		off, n = off+done, n-done
	}
	return nil
}
