package vhd

import (
	"io"

	"github.com/unboot/unboot/disk/internal/below"
)

// ReadAt reads from the disk, as io.ReaderAt. Several goroutines may read at a time.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, err := below.ReadAt(p, off, m.size, m.parent, m.segment, m.readData)
	return n, m.wrap("read", err)
}

// readData reads what is in the file, and begins at off of the disk.
func (m *Image) readData(p []byte, off, host int64) error {
	err := below.ReadData(m.file, p, host)
	if err == io.ErrUnexpectedEOF {
		return damaged("what is at %d of the disk lies at %d, past the end of the file (was it truncated?)", off, host)
	}
	return err
}
