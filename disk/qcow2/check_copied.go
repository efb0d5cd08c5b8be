package qcow2

import "fmt"

// checkCopied compares the bits of entries that say that nothing else refers to a cluster
// with its reference count. In the tables of snapshots they mean nothing.
func (c *checker) checkCopied() error {
	tables := map[int64]bool{}
	err := c.each(c.h.l1Offset, int64(c.h.l1Size)*8, func(b []byte, at int64) (changed bool) {
		for ; len(b) > 0; b, at = b[8:], at+8 {
			entry := be.Uint64(b)
			table := int64(entry & entryOffset)
			if c.tables[table] == 0 || table&int64(c.h.ClusterSize-1) != 0 {
				continue
			}
			tables[table] = true
			if c.wrongCopied(entry, table) && c.problem("entry %d of the L1 table is wrong about whether something else refers to the L2 table", at/8) {
				be.PutUint64(b, entry^entryCopied)
				changed = true
			}
		}
		return changed
	})
	if err != nil || c.h.ExternalData {
		return err
	}
	size := c.h.entrySize()
	for table := range tables {
		err := c.each(table, int64(c.h.ClusterSize), func(b []byte, at int64) (changed bool) {
			for ; len(b) > 0; b, at = b[size:], at+int64(size) {
				e := l2Entry{entry: be.Uint64(b)}
				if e.place() == 0 || !c.inside(e.place()) || e.place()&int64(c.h.ClusterSize-1) != 0 || !c.wrongCopied(e.entry, e.place()) {
					continue
				}
				if c.problem("entry %d of the L2 table at %d is wrong about whether something else refers to the cluster", at/int64(size), table) {
					be.PutUint64(b, e.entry^entryCopied)
					changed = true
				}
			}
			return changed
		})
		if err != nil {
			return fmt.Errorf("read an L2 table: %w", err)
		}
	}
	return nil
}

// wrongCopied reports whether an entry is wrong about there being one reference to a cluster.
func (c *checker) wrongCopied(entry uint64, off int64) bool {
	return (entry&entryCopied != 0) != (c.tally.get(off>>c.h.clusterBits) == 1)
}
