package vhd

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// WriteZeroes implements [disk.ZeroWriter]. Whole blocks of a dynamic image are taken out of it.
func (m *Image) WriteZeroes(off, n int64) error {
	if err := m.begin(off, n); err != nil {
		return m.wrap("write", err)
	}
	if m.h == nil {
		defer m.written.Store(true)
		return below.Zero(m.file, off, n)
	}
	return m.clear(off, n, true)
}

// Discard implements [disk.Discarder]. Whole blocks of a dynamic image are taken out of it; the
// rest stays as it is.
func (m *Image) Discard(off, n int64) error {
	if err := m.begin(off, n); err != nil {
		return m.wrap("discard", err)
	}
	switch {
	case m.f.Kind == Differencing: // its parent must not be seen
		return nil
	case m.h == nil:
		if x, ok := disk.As[disk.Discarder](m.file); ok {
			defer m.written.Store(true)
			return x.Discard(off, n)
		}
		return nil
	}
	return m.clear(off, n, false)
}

// clear takes out whole blocks, and writes zeros to the rest if that is wanted.
func (m *Image) clear(off, n int64, all bool) error {
	for n > 0 {
		in := off & (m.h.block - 1)
		size := min(n, m.h.block-in)
		whole := in == 0 && (size == m.h.block || off+size == m.size) && m.parent == nil
		var err error
		switch {
		case whole:
			err = m.drop(off >> m.h.shift)
		case all:
			err = m.clearPart(off, size)
		}
		if err != nil {
			return m.wrap("write", err)
		}
		off, n = off+size, n-size
	}
	return nil
}

// clearPart writes zeros to a part of a block, if it is not zeros already.
func (m *Image) clearPart(off, n int64) error {
	for n > 0 {
		m.mu.RLock()
		s, err := m.segment(off, n)
		m.mu.RUnlock()
		if err != nil {
			return err
		}
		size := min(s.Size, int64(len(below.Zeros)))
		if s.Kind == disk.Data || m.parent != nil {
			if _, err := m.WriteAt(below.Zeros[:size], off); err != nil {
				return err
			}
		}
		off, n = off+size, n-size
	}
	return nil
}

// drop takes a block out of the image.
func (m *Image) drop(block int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, err := m.blockAt(block)
	if err != nil || at == 0 {
		return err
	}
	if err := m.prepare(); err != nil {
		return err
	}
	if err := m.setEntry(block, unused); err != nil {
		return err
	}
	m.written.Store(true)
	m.freed = append(m.freed, at)
	return m.relieve()
}
