package qcow2

import (
	"iter"

	"github.com/unboot/unboot/disk"
)

// Extents says how n bytes from off on are stored, here and in the backing files, in
// the order of their offsets. The extents fill the range without a gap, and two that
// touch differ, except that compressed clusters may be reported one by one. What is behind
// the end of the disk is left out. A backing file that cannot say how it is
// stored is Data as far as it goes. After an error, there is nothing more.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		var last disk.Extent // not yet reported, as more may join it
		for e, err := range m.segments(off, n) {
			switch {
			case err != nil:
				if last.Size == 0 || yield(last, nil) {
					yield(disk.Extent{}, err)
				}
				return
			case last.Size == 0:
				last = e
			case last.Kind == e.Kind && last.Depth == e.Depth && (e.Kind != disk.Data || last.Offset+last.Size == e.Offset):
				last.Size += e.Size
			case !yield(last, nil):
				return
			default:
				last = e
			}
		}
		if last.Size != 0 {
			yield(last, nil)
		}
	}
}

// segments is Extents without joining them.
func (m *Image) segments(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n < 0 {
			return
		}
		end := m.Size()
		if off < end {
			end = min(end-off, n) + off
		}
		for off < end {
			release := m.hold()
			s, err := m.segment(off, end-off)
			release()
			if err != nil {
				yield(disk.Extent{}, m.wrap("read", err))
				return
			}
			e := disk.Extent{Start: off, Size: s.size, Kind: s.kind}
			switch {
			case s.kind == disk.Data:
				e.Offset = s.host
			case s.kind == disk.Hole && m.backing != nil:
				for e, err := range backingExtents(m.backing, off, s.size) {
					if !yield(e, err) || err != nil {
						return
					}
				}
				off += s.size
				continue
			}
			if !yield(e, nil) {
				return
			}
			off += s.size
		}
	}
}

// backingExtents is Extents of a backing file, which may be shorter.
func backingExtents(d disk.Device, off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		there := min(max(d.Size()-off, 0), n)
		if there > 0 {
			if x, ok := disk.As[disk.Extenter](d); ok {
				for e, err := range x.Extents(off, there) {
					e.Depth++
					if !yield(e, err) || err != nil {
						return
					}
				}
			} else if !yield(disk.Extent{Start: off, Size: there, Kind: disk.Data, Depth: 1, Offset: off}, nil) {
				return
			}
		}
		if there < n {
			yield(disk.Extent{Start: off + there, Size: n - there, Kind: disk.Hole, Depth: 1}, nil)
		}
	}
}
