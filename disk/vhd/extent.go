package vhd

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Extents implements [disk.Extenter]. A dynamic image says nothing of sectors within a block:
// all of it is Data. The data of a fixed image has the holes that the file has.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= m.size {
			return
		}
		for end := off + min(n, m.size-off); off < end; {
			m.mu.RLock()
			s, err := m.segment(off, end-off)
			m.mu.RUnlock()
			if err != nil {
				yield(disk.Extent{}, m.wrap("read", err))
				return
			}
			var others iter.Seq2[disk.Extent, error]
			switch {
			case m.h == nil:
				others = extents(m.file, off, s.size)
			case s.kind == disk.Hole && m.parent != nil:
				others = below.Extents(m.parent, off, s.size)
			}
			if others != nil {
				for e, err := range others {
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

// extents is Extents of a file.
func extents(d disk.Device, off, n int64) iter.Seq2[disk.Extent, error] {
	if x, ok := disk.As[disk.Extenter](d); ok {
		return x.Extents(off, n)
	}
	return func(yield func(disk.Extent, error) bool) {
		yield(disk.Extent{Start: off, Size: n, Kind: disk.Data, Offset: off}, nil)
	}
}
