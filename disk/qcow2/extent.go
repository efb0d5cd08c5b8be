package qcow2

import (
	"fmt"
	"iter"

	"github.com/unboot/unboot/disk"
)

// Kind is how a part of the disk is stored.
type Kind uint8

// The kinds of extents.
const (
	Hole       Kind = iota // nowhere in the chain: it reads as zeros
	Zero                   // said to be zeros
	Data                   // in a file as it is
	Compressed             // in a file, compressed
)

func (k Kind) String() string {
	switch k {
	case Hole:
		return "hole"
	case Zero:
		return "zero"
	case Data:
		return "data"
	case Compressed:
		return "compressed"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Extent is a part of the disk that is stored in one way.
type Extent struct {
	Start int64 // bytes from the start of the disk
	Size  int64 // bytes
	Kind  Kind
	// Depth is the number of the image in the chain that has it: 0 for the image
	// itself, 1 for its backing file. Of a Hole, it is that of the last image that
	// was asked.
	Depth int
	// Offset is where the bytes of Data are in the image's file, or in its data
	// file. It is 0 for other kinds.
	Offset int64
}

// Extents says how n bytes from off on are stored, here and in the backing files, in
// the order of their offsets. The extents fill the range without a gap, and two that
// touch differ, but that compressed clusters may be told one by one. What is behind
// the end of the disk is left out. A backing file in another format than qcow2 is
// Data as far as it goes. After an error, there is nothing more.
func (m *Image) Extents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		var last Extent // not told yet, as more may join it
		for e, err := range m.segments(off, n) {
			switch {
			case err != nil:
				if last.Size == 0 || yield(last, nil) {
					yield(Extent{}, err)
				}
				return
			case last.Size == 0:
				last = e
			case last.Kind == e.Kind && last.Depth == e.Depth && (e.Kind != Data || last.Offset+last.Size == e.Offset):
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
func (m *Image) segments(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if off < 0 || n < 0 {
			return
		}
		end := m.h.Size
		if off < end {
			end = min(end-off, n) + off
		}
		for off < end {
			s, err := m.segment(off, end-off)
			if err != nil {
				yield(Extent{}, m.wrap("read", err))
				return
			}
			e := Extent{Start: off, Size: s.size, Kind: s.kind}
			switch {
			case s.kind == Data:
				e.Offset = s.host
			case s.kind == Hole && m.backing != nil:
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
func backingExtents(d disk.Device, off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		there := min(max(d.Size()-off, 0), n)
		if there > 0 {
			if m, ok := d.(*Image); ok {
				for e, err := range m.segments(off, there) {
					e.Depth++
					if !yield(e, err) || err != nil {
						return
					}
				}
			} else if !yield(Extent{off, there, Data, 1, off}, nil) {
				return
			}
		}
		if there < n {
			yield(Extent{Start: off + there, Size: n - there, Kind: Hole, Depth: 1}, nil)
		}
	}
}
