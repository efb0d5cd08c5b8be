package nbd

import (
	"iter"

	"github.com/unboot/unboot/disk"
)

// Extents implements [disk.Extenter], by BLOCK_STATUS. Without that, all is data.
func (d *Device) Extents(off, n int64) iter.Seq2[disk.Extent, error] {
	return func(yield func(disk.Extent, error) bool) {
		if off < 0 || n <= 0 || off >= d.Size() {
			return
		}
		end := off + min(n, d.Size()-off)
		last := disk.Extent{Start: off}
		for off < end {
			list, err := d.states(off, end)
			if err != nil {
				if last.Size > 0 && !yield(last, nil) {
					return
				}
				yield(disk.Extent{}, d.wrap("block status", err))
				return
			}
			for _, e := range list {
				switch {
				case last.Size > 0 && last.Kind == e.Kind:
					last.Size += e.Size
				case last.Size > 0 && !yield(last, nil):
					return
				case last.Size > 0 || last.Start == e.Start:
					last = e
				}
				off = e.Start + e.Size
			}
		}
		if last.Size > 0 {
			yield(last, nil)
		}
	}
}

// states asks about a part of a range. The extents are inside the range, from off on.
func (d *Device) states(off, end int64) ([]disk.Extent, error) {
	all := []disk.Extent{{Start: off, Size: end - off, Kind: disk.Data, Offset: off}}
	if !d.status {
		return all, nil
	}
	unit := d.block()
	start := off / unit * unit
	q := &request{typ: cmdBlockStatus, off: start, length: uint32(min(roundUp(end, unit)-start, maxRange))}
	if err := d.do(q); err != nil {
		return nil, err
	}
	var list []disk.Extent
	for _, s := range q.status {
		stop := min(start+int64(s.length), end)
		if stop > off {
			e := disk.Extent{Start: off, Size: stop - off, Kind: disk.Data}
			switch s.state & (stateHole | stateZero) {
			case stateHole | stateZero:
				e.Kind = disk.Hole
			case stateZero:
				e.Kind = disk.Zero
			default:
				// A hole that is not zeros reads as what nobody knows.
				e.Offset = off
			}
			list, off = append(list, e), stop
		}
		start += int64(s.length)
	}
	if len(list) == 0 {
		return nil, violation("a block status that says nothing of the range")
	}
	return list, nil
}
