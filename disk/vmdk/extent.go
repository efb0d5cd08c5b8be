package vmdk

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Extents implements [disk.Extenter], for the image and its parents.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return below.Chain(off, n, m.size, m.parent, func(off, n int64) (below.Segment, error) {
		e := m.extents[m.extent(off)]
		s, err := m.segment(e, off-e.start, min(n, e.start+e.size-off))
		if err != nil {
			err = m.wrap("read", e.wrap(err))
		}
		return s, err
	})
}
