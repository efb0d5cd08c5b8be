package qcow2

import (
	"slices"
	"sync"
)

// guard knows where the tables of an image are, so that nothing else is written there,
// whatever the entries of tables and the reference counts say.
type guard struct {
	size int64 // of a cluster

	mu     sync.RWMutex // guards what follows
	parts  []part       // what has a place in the header, a few or one a snapshot
	tables []int64      // L2 tables and refcount blocks that were there at first, by their offsets
	more   map[int64]bool
}

// part is a part of the file.
type part struct {
	off, n int64
	what   string
}

// fixed sets what has a place in the header.
func (g *guard) fixed(h *Header, snapshots []snapshot) {
	parts := []part{
		{0, int64(h.ClusterSize), "header"},
		{h.l1Offset, int64(h.l1Size) * 8, "L1 table"},
		{h.refTable, int64(h.refClusters) << h.clusterBits, "refcount table"},
	}
	if h.Encryption != "" {
		parts = append(parts, part{h.encryption.off, h.encryption.n, "header of the encryption"})
	}
	for _, s := range snapshots {
		parts = append(parts, part{s.l1Offset, int64(s.l1Size) * 8, "L1 table of a snapshot"})
	}
	parts = append(parts, part{h.snapshotsOffset, tableLength(snapshots), "snapshot table"})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parts = parts
}

// add adds a table of one cluster.
func (g *guard) add(off int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.more[off] = true
}

// remove forgets a table that was added.
func (g *guard) remove(off int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.more, off)
	if i, ok := slices.BinarySearch(g.tables, off); ok {
		g.tables = slices.Delete(g.tables, i, i+1)
	}
}

// overlap says in words what a part of the file overlaps, or returns "".
func (g *guard) overlap(off, n int64) string {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, p := range g.parts {
		if off < p.off+p.n && p.off < off+n {
			return p.what
		}
	}
	start := off &^ (g.size - 1)
	if i, _ := slices.BinarySearch(g.tables, start); i < len(g.tables) && g.tables[i] < off+n {
		return "table"
	}
	for at := start; at < off+n && len(g.more) > 0; at += g.size {
		if g.more[at] {
			return "table"
		}
	}
	return ""
}

// load reads where the L2 tables and refcount blocks are: at most 40 MiB.
func (w *writer) loadGuard() error {
	h := w.m.h
	g := &w.guard
	g.size, g.more = int64(h.ClusterSize), map[int64]bool{}
	g.fixed(h, w.snapshots)
	add := func(table, entries int64, mask uint64) error {
		b := make([]byte, 64<<10)
		for off, end := table, table+entries*8; off < end; off += int64(len(b)) {
			b = b[:min(int64(len(b)), end-off)]
			if err := w.readTable(off, b); err != nil {
				return err
			}
			for i := 0; i < len(b); i += 8 {
				if at := int64(be.Uint64(b[i:]) & mask); at != 0 {
					g.tables = append(g.tables, at)
				}
			}
		}
		return nil
	}
	if err := add(h.refTable, h.refEntries(), refBlockOffset); err != nil {
		return err
	}
	if err := add(h.l1Offset, int64(h.l1Size), entryOffset); err != nil {
		return err
	}
	slices.Sort(g.tables)
	g.tables = slices.Compact(g.tables)
	return nil
}
