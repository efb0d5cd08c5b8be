package vhdx

import (
	"errors"
	"io"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// ReadAt reads from the disk, as io.ReaderAt. Several goroutines may read at a time.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, m.wrap("read", syscall.EINVAL)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	return below.ReadAt(p, off, m.meta.size, func(p []byte, off int64) (int64, error) {
		s, err := m.segment(off, int64(len(p)))
		if err == nil {
			err = m.readSegment(p[:s.size], off, s)
		}
		if err != nil {
			err = m.wrap("read", err)
		}
		return s.size, err
	})
}

// readSegment reads what is stored in one way.
func (m *Image) readSegment(p []byte, off int64, s segment) error {
	switch {
	case s.kind == disk.Data:
		n, err := m.file.ReadAt(p, s.host)
		if n < len(p) && (err == nil || errors.Is(err, io.EOF)) {
			err = damaged("what is at %d of the disk lies at %d, past the end of the file (was it truncated?)", off, s.host)
		}
		if n == len(p) {
			err = nil
		}
		return err
	case s.kind == disk.Hole:
		return below.Read(m.parent, p, off)
	}
	clear(p)
	return nil
}
