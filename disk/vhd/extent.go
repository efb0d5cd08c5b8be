package vhd

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Extents implements [disk.Extenter]. A dynamic image says nothing of sectors within a block:
// all of it is Data. The data of a fixed image has the holes that the file has.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	if m.h == nil && m.size <= m.end {
		if x, ok := disk.As[disk.Extenter](m.file); ok {
			return x.Extents(off, min(n, m.size-off))
		}
	}
	return below.Chain(off, n, m.size, m.parent, func(off, n int64) (below.Segment, error) {
		m.mu.RLock()
		defer m.mu.RUnlock()
		s, err := m.segment(off, n)
		return s, m.wrap("read", err)
	})
}
