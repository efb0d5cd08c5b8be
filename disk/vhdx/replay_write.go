package vhdx

import (
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// maxGrowth is how many bytes may be zeroed by writing zeros.
const maxGrowth = 1 << 30

// apply writes to the file what its log has, in the order of the log, and empties the log.
// It can be done again from the beginning if it is cut off.
func (m *Image) apply(r *replayed) error {
	m.file = r.Device
	zeros := int64(0)
	for _, i := range r.zeros {
		zeros += r.changes[i].zero
	}
	if zeros > maxGrowth {
		return damaged("the log has descriptors to zero %d bytes", zeros)
	}
	if size := r.size; m.file.Size() < size {
		if err := grow(m.file, size); err != nil {
			return err
		}
	}
	for _, c := range r.changes {
		if c.zero != 0 {
			if err := below.Zero(m.file, c.at, c.zero); err != nil {
				return err
			}
			continue
		}
		b, err := r.ring.data(c)
		if err != nil {
			return err
		}
		if _, err := m.file.WriteAt(b, c.at); err != nil {
			return err
		}
	}
	if err := m.file.Flush(); err != nil {
		return err
	}
	return m.updateHeader(func(h *header) { h.fileWrite, h.logGUID = newGUID(), GUID{} })
}

// grow gives a file a size, with zeros.
func grow(d disk.Device, size int64) error {
	old := d.Size()
	if r, ok := disk.As[disk.Resizer](d); ok && r.Resize(size) == nil {
		return nil
	}
	if size-old > maxGrowth {
		return syscall.ENOSPC
	}
	return below.Zero(d, old, size-old)
}
