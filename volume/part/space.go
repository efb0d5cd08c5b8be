package part

import (
	"fmt"
	"slices"
)

// grain is what the starts of partitions are aligned to, in bytes, as all tools align them
// today: a multiple of every erase block, stripe and physical sector in use.
const grain = 1 << 20

// span is a part of the disk in sectors.
type span struct {
	first, end uint64 // end is the sector after the last
}

func (s span) overlaps(o span) bool { return s.first < o.end && o.first < s.end }

func (s span) contains(o span) bool { return s.first <= o.first && o.end <= s.end }

// gaps returns what is left of a span, in the order of places. The used spans may overlap
// each other, and may reach out of the whole: a table on a damaged disk has such.
func gaps(all span, used []span) []span {
	used = slices.Clone(used)
	slices.SortFunc(used, func(a, b span) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return 0
	})
	var list []span
	at := all.first
	for _, u := range used {
		if u.first >= all.end {
			break
		}
		if u.first > at {
			list = append(list, span{at, u.first})
		}
		at = max(at, u.end)
	}
	if at < all.end {
		list = append(list, span{at, all.end})
	}
	return list
}

// place returns where a partition is to be, of what is free. A start that was asked for
// is taken to the sector, aligned or not; only one that is chosen here is aligned.
func (s *Spec) place(free []span, sector int64) (span, error) {
	size := uint64(s.Size / sector)
	if s.Start >= 0 {
		first := uint64(s.Start / sector)
		for _, f := range free {
			switch {
			case first < f.first || first >= f.end:
			case size == 0:
				return span{first, f.end}, nil
			case size <= f.end-first:
				return span{first, first + size}, nil
			}
		}
		return span{}, fmt.Errorf("%w: %d bytes at %d are not free", ErrNoSpace, s.Size, s.Start)
	}
	var best span
	align := uint64(grain / sector)
	for _, f := range free {
		f.first = (f.first + align - 1) / align * align
		switch {
		case f.first >= f.end:
		case size == 0:
			if f.end-f.first > best.end-best.first {
				best = f
			}
		case size <= f.end-f.first:
			return span{f.first, f.first + size}, nil
		}
	}
	if best.first == best.end {
		return span{}, fmt.Errorf("%w: there are no %d bytes in one piece", ErrNoSpace, max(s.Size, sector))
	}
	return best, nil
}
