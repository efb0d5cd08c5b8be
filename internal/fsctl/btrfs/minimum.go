package btrfs

import (
	"cmp"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// A run is a part of a device, in bytes.
type run struct{ start, length uint64 }

func (e run) end() uint64 { return e.start + e.length }

// MinimumSize returns the size that a device of a btrfs can be shrunk to: chunks at the
// end are moved, whole, to where there is room for them.
func (f FS) MinimumSize(device uint64) (int64, error) {
	const maxExtents, first = 1 << 20, 1 << 20
	if err := f.Sync(); err != nil {
		return -1, err
	}
	var list []run
	err := f.Search(deviceTree, device, device, devExtent, devExtent, func(i Item) bool {
		if len(i.Data) >= 32 {
			list = append(list, run{i.Offset, binary.LittleEndian.Uint64(i.Data[24:])})
		}
		return len(list) < maxExtents
	})
	if err != nil {
		return -1, err
	}
	slices.SortFunc(list, func(a, b run) int { return cmp.Compare(a.start, b.start) })
	var holes []run
	end, used := uint64(first), uint64(first)
	for _, e := range list {
		if e.length > 1<<62 || e.start > 1<<62 || e.start < end && e.start >= first {
			return -1, unix.EUCLEAN
		}
		if e.start > end {
			holes = append(holes, run{end, e.start - end})
		}
		end = max(end, e.end())
		used += e.length
	}
	for _, e := range slices.Backward(list) {
		if e.start+e.length <= used {
			break
		}
		// The hole must be one before it that does not reach beyond the new end.
		i := slices.IndexFunc(holes, func(h run) bool { return h.length >= e.length && h.start < e.start })
		if i < 0 {
			used = e.end()
			break
		}
		holes[i] = run{holes[i].start + e.length, holes[i].length - e.length}
		used = max(used, holes[i].start)
	}
	return int64(used), nil
}
