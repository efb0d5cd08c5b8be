package readonly

import (
	"iter"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// maxJoined bounds for how long a caller waits for an extent of small segments.
const maxJoined = 1 << 16

// Extents implements [disk.Extenter]. Segments that follow one another, and are stored in
// the same way, are one extent.
func (m *Image) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= m.Bytes {
			return
		}
		end := off + min(n, m.Bytes-off)
		var last Segment
		for joined := 0; off < end; joined++ {
			next, err := m.Segment(off+last.Size, end-off-last.Size)
			if err == nil && joined%maxJoined != 0 && m.joins(last, next) {
				last.Size += next.Size
				if off+last.Size < end {
					continue
				}
				next = Segment{}
			}
			if last.Size > 0 && !m.yield(off, last, yield) {
				return
			}
			if err != nil {
				yield(disk.Extent{}, m.Wrap("read", err))
				return
			}
			off, last = off+last.Size, next
			if off+last.Size == end && last.Size > 0 {
				m.yield(off, last, yield)
				return
			}
		}
	}
}

// joins reports whether what follows a segment is stored in the same way.
func (m *Image) joins(s, next Segment) bool {
	return s.Size > 0 && s.Kind == next.Kind &&
		(s.Kind != disk.Data || m.file(s) == m.file(next) && s.Host+s.Size == next.Host)
}

// yield yields the extents of a segment, and reports whether there may be more.
func (m *Image) yield(off int64, s Segment, yield func(disk.Extent, error) bool) bool {
	if s.Kind == disk.Hole && m.Parent != nil {
		for x, err := range below.Extents(m.Parent, off, s.Size) {
			if !yield(x, err) || err != nil {
				return false
			}
		}
		return true
	}
	x := disk.Extent{Start: off, Size: s.Size, Kind: s.Kind}
	if s.Kind == disk.Data {
		x.Offset = s.Host
	}
	return yield(x, nil)
}
