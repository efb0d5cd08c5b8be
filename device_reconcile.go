package unboot

import (
	"cmp"
	"slices"

	"golang.org/x/sys/unix"
)

// extent is a partition as the kernel has it, in bytes.
type extent struct{ start, size int64 }

// A change is one step on the way from the partitions that the kernel has to those that it
// is to have: an operation of linux/blkpg.h.
type change struct {
	op     int32
	number int
	extent
}

// reconcile returns the steps that turn the kernel's partitions of a disk, by their
// numbers, into those that are wanted. A partition in both needs no step: it stays, whoever
// uses it. One that begins elsewhere is taken away and added; one with another end is
// resized, which the kernel allows while it is in use.
func reconcile(have, want map[int]extent) []change {
	var list []change
	step := func(op int32, number int, e extent) { list = append(list, change{op, number, e}) }
	for n, h := range have {
		if w, ok := want[n]; !ok || w.start != h.start {
			step(unix.BLKPG_DEL_PARTITION, n, h)
		}
	}
	for n, w := range want {
		switch h, ok := have[n]; {
		case !ok || h.start != w.start:
			step(unix.BLKPG_ADD_PARTITION, n, w)
		case h.size != w.size:
			step(unix.BLKPG_RESIZE_PARTITION, n, w)
		}
	}
	// Those that go or shrink give room to those that come or grow.
	order := func(c change) int {
		switch {
		case c.op == unix.BLKPG_DEL_PARTITION:
			return 0
		case c.op == unix.BLKPG_RESIZE_PARTITION && c.size < have[c.number].size:
			return 1
		}
		return 2
	}
	slices.SortFunc(list, func(a, b change) int {
		return cmp.Or(cmp.Compare(order(a), order(b)), cmp.Compare(a.number, b.number))
	})
	return list
}
