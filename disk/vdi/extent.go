package vdi

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Extents implements [disk.Extenter], for the image and its parents.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return below.Chain(off, n, m.h.Size, m.parent, func(off, n int64) (below.Segment, error) {
		s, err := m.segment(off, n)
		return s, m.wrap("read", err)
	})
}
