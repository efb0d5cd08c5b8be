package qcow2

import (
	"fmt"

	"github.com/unboot/unboot/disk"
)

// tree is an L1 table, and all that it refers to.
type tree struct {
	l1      int64
	entries uint32
}

// turn is a change of what an image keeps: the disk becomes what a tree has, and trees are
// dropped. The disk gets an L1 table of its own, and a copy of each L2 table whose entries have
// to say something else about being the only ones, so that all of it is there before the
// header refers to it: that is one write of a sector. What a tree loses is counted down after
// that.
type turn struct {
	w         *writer
	from      tree       // what the disk is going to be
	drop      []tree     // what is not part of the image any more
	snapshots []snapshot // that there are afterwards
	size      int64      // of the disk

	have       *tally // references that there are now,
	gain, lose *tally // come, and go
	tables     map[int64]uint64
	made       []freed // in the file, for what is given up
}

// run does it. The caller holds io, mu, and all ranges, and everything has been written.
func (t *turn) run() error {
	w, h := t.w, t.w.m.h
	if err := t.count(); err != nil {
		return err
	}
	l1, entries, err := t.newL1()
	var list int64
	if err == nil {
		list, err = t.newList()
	}
	if err == nil {
		err = t.raise()
	}
	if err != nil {
		t.giveUp()
		return err
	}
	t.lost(h.snapshotsOffset, tableLength(w.snapshots))
	h.l1Offset, h.l1Size, h.Size = l1, entries, t.size
	h.snapshotsOffset, h.Snapshots = list, len(t.snapshots)
	if err := w.writeSizeHeader(); err != nil {
		// Which of both the header says is not known.
		w.failed = fmt.Errorf("the image cannot be written to any more: %w", err)
		return err
	}
	w.m.size.Store(t.size)
	w.snapshots = t.snapshots
	w.guard.fixed(h, w.snapshots)
	return t.lower()
}

// count counts the references that there are, and those that come and go. Nothing is changed
// if the tables are wrong, or there would be more references to a cluster than its count can
// say. Leaked clusters are freed.
func (t *turn) count() error {
	w, h := t.w, t.w.m.h
	c := &checker{file: w.m.file, h: h, repair: disk.RepairLeaks}
	if err := c.run(); err != nil {
		return err
	}
	if c.result.LeaksFixed > 0 {
		w.m.caches.tables.drop(w.m)
		w.hint = 0
	}
	if c.result.Errors > 0 {
		return damaged("%d errors, such as %q; repair it first, on a copy: unboot check --repair", c.result.Errors, c.result.Problems[0])
	}
	t.have = c.tally
	var err error
	if t.gain, t.tables, err = w.countTree(t.from); err != nil {
		return err
	}
	if t.lose, _, err = w.countTree(t.drop...); err != nil {
		return err
	}
	// Its place is taken by a new one.
	t.lost(t.from.l1, int64(t.from.entries)*8)
	t.gain.each(func(cluster int64, _ uint64) {
		if n := t.after(cluster); n > h.maxCount() && t.tables[cluster<<h.clusterBits] == 0 && err == nil {
			err = fmt.Errorf("the image counts no more than %d references to a cluster (refcount_bits=%d), and cluster %d would have %d", h.maxCount(), 1<<h.refcountOrder, cluster, n)
		}
	})
	return err
}

// countTree counts what trees refer to, and returns their L2 tables.
func (w *writer) countTree(trees ...tree) (*tally, map[int64]uint64, error) {
	c := &checker{file: w.m.file, h: w.m.h, tally: newTally(), tables: map[int64]uint64{}}
	for _, t := range trees {
		if err := c.countL1(t.l1, t.entries); err != nil {
			return nil, nil, err
		}
	}
	if err := c.countL2s(); err != nil {
		return nil, nil, err
	}
	return c.tally, c.tables, c.tally.err()
}

// after returns how many references to a cluster there are in the end.
func (t *turn) after(cluster int64) uint64 {
	return t.have.get(cluster) + t.gain.get(cluster) - t.lose.get(cluster)
}

// lost counts one reference less to the clusters of a part of the file.
func (t *turn) lost(off, n int64) {
	c := checker{h: t.w.m.h, tally: t.lose}
	c.count(off, n, 1)
}

// newL1 writes the L1 table of the disk, and L2 tables that are not to be shared.
func (t *turn) newL1() (off int64, entries uint32, err error) {
	w, h := t.w, t.w.m.h
	need := max((t.size+1<<h.l1Shift()-1)>>h.l1Shift(), int64(t.from.entries), 1)
	if need*8 > maxL1 {
		return 0, 0, fmt.Errorf("a disk of %d bytes is too large for clusters of %d bytes", t.size, h.ClusterSize)
	}
	b := make([]byte, (need*8+int64(h.ClusterSize)-1)&^(int64(h.ClusterSize)-1))
	if err := w.readTable(t.from.l1, b[:int64(t.from.entries)*8]); err != nil {
		return 0, 0, fmt.Errorf("read the L1 table: %w", err)
	}
	l2 := make([]byte, h.ClusterSize)
	for i := 0; i < len(b); i += 8 {
		table := int64(be.Uint64(b[i:]) & entryOffset)
		if table == 0 {
			be.PutUint64(b[i:], 0)
			continue
		}
		entry, err := t.newL2(table, l2)
		if err != nil {
			return 0, 0, err
		}
		be.PutUint64(b[i:], entry)
	}
	off, err = t.write(b, "L1")
	return off, uint32(need), err
}

// newL2 returns an L1 entry for an L2 table, or for a copy of it. b has room for it.
func (t *turn) newL2(table int64, b []byte) (entry uint64, err error) {
	w, h := t.w, t.w.m.h
	if err := w.readTable(table, b); err != nil {
		return 0, fmt.Errorf("read the L2 table at %d: %w", table, err)
	}
	n := t.after(table >> h.clusterBits)
	copied := n > h.maxCount()
	for i := 0; i < len(b); i += h.entrySize() {
		e := l2Entry{entry: be.Uint64(b[i:])}
		if e.place() == 0 {
			continue
		}
		want := e.entry &^ entryCopied
		if t.after(e.place()>>h.clusterBits) == 1 {
			want |= entryCopied
		}
		if want != e.entry {
			be.PutUint64(b[i:], want)
			copied = true
		}
	}
	switch {
	case copied:
		off, err := t.write(b, "L2")
		if err != nil {
			return 0, err
		}
		t.lost(table, int64(h.ClusterSize))
		w.guard.add(off)
		return uint64(off) | entryCopied, nil
	case n == 1:
		entry = entryCopied
	}
	w.guard.add(table) // which may have been a snapshot's alone
	return entry | uint64(table), nil
}

// newList writes the snapshot table.
func (t *turn) newList() (int64, error) {
	if len(t.snapshots) == 0 {
		return 0, nil
	}
	if n := tableLength(t.snapshots); n > maxSnapshotTable {
		return 0, fmt.Errorf("a snapshot table of %d bytes; there may be %d", n, maxSnapshotTable)
	}
	b := encodeSnapshots(t.snapshots)
	size := t.w.m.h.ClusterSize
	return t.write(append(b, make([]byte, -len(b)&(size-1))...), "snapshot")
}

// write writes a table of whole clusters that nothing refers to yet.
func (t *turn) write(b []byte, what string) (int64, error) {
	clusters := int64(len(b)) >> t.w.m.h.clusterBits
	off, err := t.w.allocRow(clusters)
	if err == nil {
		t.made = append(t.made, freed{off: off, n: clusters})
		err = t.w.writeTable(off, b)
	}
	if err == nil {
		err = t.relieve()
	}
	if err != nil {
		return 0, fmt.Errorf("write the %s table: %w", what, err)
	}
	return off, nil
}

// relieve writes reference counts when there are many of them.
func (t *turn) relieve() error {
	if len(t.w.dirty) <= maxDirty {
		return nil
	}
	return t.w.commit()
}

// raise counts the references that come, and makes stable all that was written.
func (t *turn) raise() error {
	var err error
	t.gain.each(func(cluster int64, n uint64) {
		if lost := t.lose.get(cluster); n > lost && err == nil {
			if err = t.w.setCount(cluster, t.have.get(cluster)+n-lost); err == nil {
				err = t.relieve()
			}
		}
	})
	if err == nil {
		err = t.w.commit()
	}
	if err == nil {
		err = t.w.sync()
	}
	return err
}

// lower counts the references that are gone, and frees what has none.
func (t *turn) lower() error {
	w, bits := t.w, t.w.m.h.clusterBits
	var err error
	var from, to int64 // clusters that are free, in a row
	t.lose.each(func(cluster int64, n uint64) {
		if gained := t.gain.get(cluster); n <= gained || err != nil {
			return
		}
		left := t.after(cluster)
		if err = w.setCount(cluster, left); err == nil {
			err = t.relieve()
		}
		if left > 0 || err != nil {
			return
		}
		w.forget(cluster << bits)
		w.hint = min(w.hint, cluster)
		if cluster != to {
			w.punch(from<<bits, to<<bits)
			from = cluster
		}
		to = cluster + 1
	})
	w.punch(from<<bits, to<<bits)
	w.packed = 0
	w.m.caches.clusters.drop(w.m)
	if err == nil {
		err = w.commit()
	}
	return err
}

// giveUp frees what was written for nothing. Counts that were raised are leaks.
func (t *turn) giveUp() {
	for _, f := range t.made {
		t.w.giveBack(f.off, f.n)
		for i := range f.n {
			t.w.guard.remove(f.off + i<<t.w.m.h.clusterBits)
		}
	}
}
