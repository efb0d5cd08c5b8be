package unboot

import (
	"cmp"
	"slices"

	"github.com/unboot/unboot/disk"
)

// What is fetched at once of a disk behind a network, where a request takes as long as some
// megabytes: that is where it is looked for what partitions hold.
const (
	farStart = 2 << 20   // at the start of a partition
	farEnd   = 512 << 10 // at its end
	farGap   = 1 << 20   // that is fetched rather than to make another request
	farMost  = 16 << 20
)

// A span is a range of a disk.
type span struct{ start, end int64 }

// fetchPartitions has the places fetched where partitions begin and end, if the disk is behind
// a network. The cache there has the ends of the disk itself.
func (s *scan) fetchPartitions() {
	far, ok := disk.As[disk.Prefetcher](s.dev)
	if !ok || s.table == nil {
		return
	}
	var list []span
	for i := range s.table.Partitions {
		p := &s.table.Partitions[i]
		if p.Extended || p.Start >= s.size || p.Size <= 0 {
			continue
		}
		end := p.Start + min(p.Size, s.size-p.Start)
		list = append(list, span{p.Start, min(p.Start+farStart, end)}, span{max(end-farEnd, p.Start), end})
	}
	for _, r := range joinSpans(list) {
		far.Prefetch(r.start, r.end-r.start)
	}
}

// joinSpans closes small gaps between ranges, of which it returns as many as may be fetched.
func joinSpans(list []span) (joined []span) {
	slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	sum := int64(0)
	for _, r := range list {
		grown := r.end - r.start
		if n := len(joined) - 1; n >= 0 && r.start-joined[n].end <= farGap {
			grown = max(r.end-joined[n].end, 0)
			joined[n].end += grown
		} else {
			joined = append(joined, r)
		}
		if sum += grown; sum >= farMost {
			break
		}
	}
	return joined
}
