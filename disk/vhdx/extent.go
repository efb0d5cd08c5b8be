package vhdx

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Extents implements [disk.Extenter]. Blocks that are there are Data, whatever holes the file
// has.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return below.Chain(off, n, m.meta.size, m.parent, func(off, n int64) (below.Segment, error) {
		m.mu.RLock()
		defer m.mu.RUnlock()
		s, err := m.segment(off, n)
		return s, m.wrap("read", err)
	})
}
