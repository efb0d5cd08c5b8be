package vhdx

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Extents implements [disk.Extenter]. Blocks that are there are Data, whatever holes the file
// has.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= m.meta.size {
			return
		}
		for end := off + min(n, m.meta.size-off); off < end; {
			m.mu.RLock()
			s, err := m.segment(off, end-off)
			m.mu.RUnlock()
			if err != nil {
				yield(disk.Extent{}, m.wrap("read", err))
				return
			}
			if s.kind == disk.Hole && m.parent != nil {
				for e, err := range below.Extents(m.parent, off, s.size) {
					if !yield(e, err) || err != nil {
						return
					}
				}
			} else if !yield(disk.Extent{Start: off, Size: s.size, Kind: s.kind, Offset: s.host}, nil) {
				return
			}
			off += s.size
		}
	}
}
