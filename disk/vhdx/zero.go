package vhdx

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// WriteZeroes implements [disk.ZeroWriter]. Whole blocks are taken out of the file and said
// to be zeros, if the image is not fixed.
func (m *Image) WriteZeroes(off, n int64) error {
	return m.each("write zeroes", off, n, m.zeroPart, stateZero)
}

// Discard implements [disk.Discarder]. Whole blocks are taken out of the file, if the image is
// not fixed; of a fixed one, the host gets back what it can. The rest stays as it is.
func (m *Image) Discard(off, n int64) error {
	return m.each("discard", off, n, m.discardPart, stateUnmapped)
}

// each drops whole blocks, which get a state, and calls part for the rest.
func (m *Image) each(op string, off, n int64, part func(off, n int64) error, state int) error {
	if err := m.begin(off, n); err != nil {
		return m.wrap(op, err)
	}
	for n > 0 {
		in := off & (m.meta.block - 1)
		size := min(n, m.meta.block-in)
		var err error
		if in == 0 && (size == m.meta.block || off+size == m.meta.size) && !m.meta.fixed {
			err = m.drop(off>>m.meta.shift, state)
		} else {
			err = part(off, size)
		}
		if err != nil {
			return m.wrap(op, err)
		}
		off, n = off+size, n-size
	}
	return nil
}

// zeroPart writes zeros to a part of a block, if it is not zeros already.
func (m *Image) zeroPart(off, n int64) error {
	for n > 0 {
		s, err := m.change(off, n, m.zero)
		if err != nil {
			return err
		}
		size := s.Size
		if s.Kind == disk.Hole && m.parent != nil {
			size = min(size, int64(len(below.Zeros)))
			if _, err := m.WriteAt(below.Zeros[:size], off); err != nil {
				return err
			}
		}
		off, n = off+size, n-size
	}
	return nil
}

// discardPart gives back what the host has for a part of a fixed image.
func (m *Image) discardPart(off, n int64) error {
	x, ok := disk.As[disk.Discarder](m.file)
	if !m.meta.fixed || !ok {
		return nil
	}
	for n > 0 {
		s, err := m.change(off, n, func(at, n int64) error {
			x.Discard(at, n) // the host may not have it
			return nil
		})
		if err != nil {
			return err
		}
		off, n = off+s.Size, n-s.Size
	}
	return nil
}

// change calls do with the place of data in the file, which stays there meanwhile.
func (m *Image) change(off, n int64, do func(at, n int64) error) (below.Segment, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, err := m.segment(off, n)
	if err == nil && s.Kind == disk.Data {
		if s.Host+s.Size > m.end {
			return s, damaged("what is at %d of the disk lies at %d, past the end of the file (was it truncated?)", off, s.Host)
		}
		defer m.written.Store(true)
		err = do(s.Host, s.Size)
	}
	return s, err
}

// drop takes a block out of the file.
func (m *Image) drop(block int64, state int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, at, err := m.block(block)
	if err != nil {
		return err
	}
	there := old == statePresent || old == statePartial
	if !there && m.holeKind(old) == disk.Zero || !there && m.parent == nil {
		return nil
	}
	if err := m.setEntry(m.entryAt(block), state, 0); err != nil {
		return err
	}
	m.written.Store(true)
	if there {
		m.freed = append(m.freed, at)
	}
	return m.relieve()
}
