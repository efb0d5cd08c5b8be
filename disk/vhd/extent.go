package vhd

import (
	"iter"

	"github.com/unboot/unboot/disk"
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
				others = extents(m.file, off, s.size, 0)
			case s.kind == disk.Hole && m.parent != nil:
				others = extents(m.parent, off, s.size, 1)
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

// extents is Extents of a device that may be shorter, with so much added to their depth.
func extents(d disk.Device, off, n int64, depth int) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		there := min(max(d.Size()-off, 0), n)
		if there > 0 {
			if x, ok := disk.As[disk.Extenter](d); ok {
				for e, err := range x.Extents(off, there) {
					e.Depth += depth
					if !yield(e, err) || err != nil {
						return
					}
				}
			} else if !yield(disk.Extent{Start: off, Size: there, Kind: disk.Data, Depth: depth, Offset: off}, nil) {
				return
			}
		}
		if there < n {
			yield(disk.Extent{Start: off + there, Size: n - there, Kind: disk.Hole, Depth: depth}, nil)
		}
	}
}
