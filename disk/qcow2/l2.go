package qcow2

import "fmt"

// ownTable returns the L2 table of an index in the L1 table, which is made if there is
// none, and copied if something else refers to it too. The caller holds mu.
func (w *writer) ownTable(index int64) (table int64, s stage, err error) {
	h := w.m.h
	slice, at, err := w.m.tableAt(h.l1Offset, index*8, 8)
	if err != nil {
		return 0, 0, fmt.Errorf("read the L1 table: %w", err)
	}
	entry := be.Uint64(slice[at:])
	old := int64(entry & entryOffset)
	if old&int64(h.ClusterSize-1) != 0 {
		return 0, 0, damaged("L2 table %d is at %d, which is not the start of a cluster", index, old)
	}
	if old != 0 && entry&entryCopied != 0 {
		if w.newTables[old] {
			return old, stageCounts, nil
		}
		return old, stageTables, nil
	}
	b := make([]byte, h.ClusterSize)
	if old != 0 {
		for n := 0; n < len(b); {
			slice, _, err := w.m.tableAt(old, int64(n), 8)
			if err != nil {
				return 0, 0, fmt.Errorf("read L2 table %d: %w", index, err)
			}
			n += copy(b[n:], slice)
		}
	}
	table, _, err = w.alloc(1)
	if err != nil {
		return 0, 0, err
	}
	err = w.writeTable(table, b)
	if err == nil {
		err = w.change(h.l1Offset, index*8, 8, stageTables, func(b []byte) { be.PutUint64(b, uint64(table)|entryCopied) })
	}
	if err != nil {
		w.giveBack(table, 1)
		return 0, 0, fmt.Errorf("write L2 table %d: %w", index, err)
	}
	w.newTables[table] = true
	w.guard.add(table)
	if old != 0 {
		w.free(old, int64(h.ClusterSize), false)
	}
	return table, stageCounts, nil
}

// setEntries replaces the L2 entries of clusters from first on, which lie in one slice, and
// frees what these refer to and the new ones do not. The caller holds mu, and the clusters.
func (w *writer) setEntries(first int64, old, entries []l2Entry) error {
	h := w.m.h
	table, s, err := w.ownTable(first >> h.l2Bits())
	if err != nil {
		return err
	}
	size := h.entrySize()
	err = w.change(table, first&(1<<h.l2Bits()-1)*int64(size), size*len(entries), s, func(b []byte) {
		for i, e := range entries {
			be.PutUint64(b[i*size:], e.entry)
			if h.ExtendedL2 {
				be.PutUint64(b[i*size+8:], e.bitmap)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("write L2 table: %w", err)
	}
	for i, e := range old[:len(entries)] {
		if e.place() == 0 || e.place() != entries[i].place() {
			w.freeEntry(e)
		}
	}
	return nil
}

// freeEntry frees what an L2 entry refers to.
func (w *writer) freeEntry(e l2Entry) {
	switch {
	case e.entry&entryCompressed != 0:
		off, n := w.m.h.compressedAt(e.entry)
		w.free(off, n, true)
	case e.place() != 0 && !w.m.external:
		w.free(e.place(), int64(w.m.h.ClusterSize), false)
	}
}

// linkRoom has the entries of a row refer to its new place, which has been written from
// an offset of the disk to another.
func (w *writer) linkRoom(r *room, from, to int64) error {
	h := w.m.h
	entries := make([]l2Entry, len(r.old))
	for i, old := range r.old {
		entries[i].entry = uint64(r.host+int64(i)<<h.clusterBits) | entryCopied
		if !h.ExtendedL2 {
			continue
		}
		start := (r.first + int64(i)) << h.clusterBits
		data := bitsOf(max(from, start)-start, min(to, start+int64(h.ClusterSize))-start, h.clusterBits-5)
		zero := uint32(old.bitmap>>32) &^ data
		if old.entry&entryCompressed != 0 {
			zero = 0
		} else if r.had {
			data |= uint32(old.bitmap)
		}
		entries[i].bitmap = uint64(zero)<<32 | uint64(data)
	}
	return w.setEntries(r.first, r.old, entries)
}

// bitsOf returns bits for the subclusters, of 2^shift bytes, between two offsets in a
// cluster.
func bitsOf(from, to int64, shift uint) uint32 {
	all := uint64(1)<<(to>>shift) - 1
	return uint32(all &^ (1<<(from>>shift) - 1))
}
