package vdi

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Extents says how n bytes from off on are stored, here and in the parents, in the order
// of their offsets. The extents fill the part of the range that is inside the disk without
// a gap. A parent that cannot say how it is stored is Data as far as it goes. After an
// error, there is nothing more.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= m.h.Size {
			return
		}
		end := off + min(n, m.h.Size-off)
		for off < end {
			s, err := m.segment(off, end-off)
			if err != nil {
				yield(disk.Extent{}, m.wrap("read", err))
				return
			}
			if s.kind == disk.Hole && m.parent != nil {
				for x, err := range below.Extents(m.parent, off, s.size) {
					if !yield(x, err) || err != nil {
						return
					}
				}
			} else {
				x := disk.Extent{Start: off, Size: s.size, Kind: s.kind}
				if s.kind == disk.Data {
					x.Offset = s.host
				}
				if !yield(x, nil) {
					return
				}
			}
			off += s.size
		}
	}
}
