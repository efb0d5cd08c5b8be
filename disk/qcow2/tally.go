package qcow2

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

const (
	tallyPage = 16 << 10 // clusters
	// maxTally bounds what a check remembers, in pages: 512 MiB, which is 16 TiB of
	// clusters of 64 KiB.
	maxTally = 16 << 10
)

// tally counts references to the clusters of a file.
type tally struct {
	pages map[int64]*[tallyPage]uint16
	more  map[int64]uint64 // counts that are too large for a page
	full  bool             // something was not counted, as the image is too large
}

func newTally() *tally {
	return &tally{pages: map[int64]*[tallyPage]uint16{}, more: map[int64]uint64{}}
}

// add counts n references to a cluster.
func (t *tally) add(cluster int64, n uint64) {
	page := t.pages[cluster/tallyPage]
	if page == nil {
		if len(t.pages) == maxTally {
			t.full = true
			return
		}
		page = new([tallyPage]uint16)
		t.pages[cluster/tallyPage] = page
	}
	p := &page[cluster%tallyPage]
	sum := t.get(cluster) + n
	if sum < math.MaxUint16 {
		*p = uint16(sum)
		return
	}
	*p = math.MaxUint16
	t.more[cluster] = sum
}

// get returns how many references to a cluster there are.
func (t *tally) get(cluster int64) uint64 {
	page := t.pages[cluster/tallyPage]
	if page == nil {
		return 0
	}
	if n := page[cluster%tallyPage]; n != math.MaxUint16 {
		return uint64(n)
	}
	return t.more[cluster]
}

// err returns an error if not everything was counted.
func (t *tally) err() error {
	if t.full {
		return fmt.Errorf("the image is too large to be checked")
	}
	return nil
}

// each has look see all clusters with references, in their order.
func (t *tally) each(look func(cluster int64, n uint64)) {
	for _, p := range slices.Sorted(maps.Keys(t.pages)) {
		for i, n := range t.pages[p] {
			if n != 0 {
				cluster := p*tallyPage + int64(i)
				look(cluster, t.get(cluster))
			}
		}
	}
}
