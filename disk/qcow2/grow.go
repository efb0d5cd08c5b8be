package qcow2

import (
	"errors"
	"fmt"
)

// addBlock makes a refcount block, the one of an index, which is in the first of the
// clusters that it is about. These are all free, as there was none. The caller holds mu.
func (w *writer) addBlock(index int64) error {
	h := w.m.h
	if index >= h.refEntries() {
		return w.growRefTable(index)
	}
	first := index * h.perBlock()
	off := first << h.clusterBits
	if off>>h.clusterBits != first || off < 0 || uint64(off) > entryOffset {
		return errors.New("the image has no more room")
	}
	if what := w.guard.overlap(off, int64(h.ClusterSize)); what != "" {
		return w.corrupt(damaged("the %s at %d has no reference count", what, off))
	}
	b := make([]byte, h.ClusterSize)
	counts{b, h.refcountOrder}.set(0, 1)
	if err := w.writeTable(off, b); err != nil {
		return fmt.Errorf("write a refcount block: %w", err)
	}
	if err := w.change(h.refTable, index*8, 8, stageBlocks, func(b []byte) { be.PutUint64(b, uint64(off)) }); err != nil {
		return err
	}
	w.guard.add(off)
	w.used = max(w.used, off+int64(h.ClusterSize))
	return nil
}

// growRefTable moves the refcount table to where there is none yet, behind blocks about
// itself, so that it has an entry of an index. The header refers to either the old or the
// new one.
func (w *writer) growRefTable(index int64) error {
	h := w.m.h
	per, entries := h.perBlock(), int64(h.ClusterSize)/8
	table := h.refEntries()/entries*3/2 + 1
	var blocks int64
	for {
		blocks = (table+per)/(per-1) + 1
		if table*entries >= index+blocks {
			break
		}
		table = (index + blocks + entries) / entries
	}
	if table*int64(h.ClusterSize) > maxRefTable {
		return errors.New("the image has no more room: its refcount table cannot grow")
	}
	if err := w.commit(); err != nil {
		return err
	}
	start := index * per << h.clusterBits
	if start>>h.clusterBits != index*per || start < 0 || uint64(start)+uint64(blocks+table)<<h.clusterBits > entryOffset {
		return errors.New("the image has no more room")
	}
	if what := w.guard.overlap(start, (blocks+table)<<h.clusterBits); what != "" {
		return w.corrupt(damaged("the %s at %d has no reference count", what, start))
	}
	b := make([]byte, (blocks+table)<<h.clusterBits)
	used := counts{b[:blocks<<h.clusterBits], h.refcountOrder}
	for i := range blocks + table {
		used.set(int(i), 1)
	}
	t := b[blocks<<h.clusterBits:]
	if err := w.readTable(h.refTable, t[:h.refEntries()*8]); err != nil {
		return fmt.Errorf("read the refcount table: %w", err)
	}
	for i := range blocks {
		be.PutUint64(t[(index+i)*8:], uint64(start+i<<h.clusterBits))
	}
	err := w.writeTable(start, b)
	if err == nil {
		err = w.sync()
	}
	if err != nil {
		return fmt.Errorf("write a refcount table: %w", err)
	}
	old, oldClusters := h.refTable, int64(h.refClusters)
	h.refTable, h.refClusters = start+blocks<<h.clusterBits, uint32(table)
	if err := w.writeRefTableHeader(); err != nil {
		h.refTable, h.refClusters = old, uint32(oldClusters)
		return err
	}
	w.used = max(w.used, start+(blocks+table)<<h.clusterBits)
	for i := range blocks {
		w.guard.add(start + i<<h.clusterBits)
	}
	w.guard.fixed(h, w.snapshots)
	w.unused = append(w.unused, freed{off: old, n: oldClusters << h.clusterBits})
	return nil
}
