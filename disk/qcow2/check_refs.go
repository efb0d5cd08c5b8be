package qcow2

import (
	"fmt"

	"github.com/unboot/unboot/disk"
)

// countRefs counts the refcount table and its blocks.
func (c *checker) countRefs() error {
	h := c.h
	n := int64(h.refClusters) << h.clusterBits
	if n == 0 || n > maxRefTable || h.refTable <= 0 || h.refTable&int64(h.ClusterSize-1) != 0 || h.refTable > c.file.Size()-n {
		c.refsBad = true
		c.problem("a refcount table of %d bytes at %d", n, h.refTable)
		return nil
	}
	c.count(h.refTable, n, 1)
	return c.each(h.refTable, n, func(b []byte, at int64) bool {
		for ; len(b) > 0; b, at = b[8:], at+8 {
			block := int64(be.Uint64(b) & refBlockOffset)
			switch {
			case block == 0:
			case block&int64(h.ClusterSize-1) != 0 || block > c.file.Size()-int64(h.ClusterSize):
				c.refsBad = true
				c.problem("refcount block %d is at %d", at/8, block)
			default:
				c.blocks[at/8] = block
				c.count(block, int64(h.ClusterSize), 1)
				if c.tally.get(block>>h.clusterBits) > 1 {
					c.refsBad = true
					c.problem("refcount block %d is at %d, where something else is too", at/8, block)
				}
			}
		}
		return false
	})
}

// compare compares the reference counts with what was counted.
func (c *checker) compare() error {
	h := c.h
	per := h.perBlock()
	var end int64
	c.tally.each(func(cluster int64, _ uint64) { end = (cluster + 1) << h.clusterBits })
	c.result.EndsAt(end, c.file.Size())
	for index, block := range c.blocks {
		err := c.eachCount(block, func(n counts, first int64) bool {
			changed := false
			for i := range n.len() {
				cluster := index*per + first + int64(i)
				want, has := c.tally.get(cluster), n.get(i)
				switch {
				case has > want:
					c.result.Leaks++
					c.say("cluster %d is leaked: it has %d references, and counts %d", cluster, want, has)
					if c.repair != disk.RepairNothing {
						c.result.LeaksFixed++
						n.set(i, want)
						changed = true
					}
				case has < want:
					c.wrong++
					c.problem("cluster %d has %d references, but counts %d", cluster, want, has)
				}
			}
			// What else is written there is another problem.
			return changed && !c.refsBad
		})
		if err != nil {
			return err
		}
	}
	c.tally.each(func(cluster int64, n uint64) {
		if _, ok := c.blocks[cluster/per]; !ok {
			c.wrong++
			c.problem("cluster %d has %d references, but no refcount block", cluster, n)
		}
	})
	return nil
}

// eachCount has look see a refcount block in parts, and writes what it has changed. first
// is the number of the first count, from the start of the block.
func (c *checker) eachCount(block int64, look func(n counts, first int64) (changed bool)) error {
	return c.each(block, int64(c.h.ClusterSize), func(b []byte, at int64) bool {
		return look(counts{b, c.h.refcountOrder}, at*8>>c.h.refcountOrder)
	})
}

// repairCounts replaces reference counts that are wrong.
func (c *checker) repairCounts() error {
	if c.repair != disk.RepairAll || c.wrong == 0 && !c.refsBad {
		return nil
	}
	if err := c.tally.err(); err != nil {
		return err
	}
	h := c.h
	// The old ones are not part of the image any more.
	if n := int64(h.refClusters) << h.clusterBits; !c.refsBad || n <= maxRefTable && c.tally.get(h.refTable>>h.clusterBits) > 0 {
		c.count(h.refTable, n, ^uint64(0))
	}
	for _, block := range c.blocks {
		c.count(block, int64(h.ClusterSize), ^uint64(0))
	}
	return c.newCounts()
}

// newCounts writes a refcount table and its blocks behind all that the image consists of, and
// has the header refer to them.
func (c *checker) newCounts() error {
	h := c.h
	per := h.perBlock()
	last := (h.refTable + int64(h.refClusters)<<h.clusterBits) >> h.clusterBits
	if c.refsBad {
		last = 0
	}
	for _, block := range c.blocks {
		last = max(last, block>>h.clusterBits)
	}
	indices := map[int64]bool{}
	c.tally.each(func(cluster int64, n uint64) {
		indices[cluster/per] = true
		last = max(last, cluster)
	})
	start := last + 1
	var blocks, table int64
	for {
		blocks = int64(len(indices))
		table = ((start+blocks+table)/per + 1 + int64(h.ClusterSize)/8 - 1) * 8 / int64(h.ClusterSize)
		before := len(indices)
		for i := start / per; i <= (start+blocks+table)/per; i++ {
			indices[i] = true
		}
		if len(indices) == before {
			break
		}
	}
	if table<<h.clusterBits > maxRefTable {
		return fmt.Errorf("the image is too large for new reference counts")
	}
	c.count(start<<h.clusterBits, (blocks+table)<<h.clusterBits, 1)
	entries := make([]byte, table<<h.clusterBits)
	at := (start + table) << h.clusterBits
	for index := range indices {
		b := make([]byte, h.ClusterSize)
		n := counts{b, h.refcountOrder}
		for i := range n.len() {
			want := c.tally.get(index*per + int64(i))
			if want > h.maxCount() {
				return fmt.Errorf("cluster %d has %d references, and the image counts no further than %d", index*per+int64(i), want, h.maxCount())
			}
			n.set(i, want)
		}
		if _, err := c.file.WriteAt(b, at); err != nil {
			return fmt.Errorf("write a refcount block: %w", err)
		}
		be.PutUint64(entries[index*8:], uint64(at))
		at += int64(h.ClusterSize)
	}
	if _, err := c.file.WriteAt(entries, start<<h.clusterBits); err != nil {
		return fmt.Errorf("write a refcount table: %w", err)
	}
	if err := c.file.Flush(); err != nil {
		return err
	}
	h.refTable, h.refClusters = start<<h.clusterBits, uint32(table)
	b := make([]byte, 12)
	be.PutUint64(b, uint64(h.refTable))
	be.PutUint32(b[8:], h.refClusters)
	if _, err := c.file.WriteAt(b, 48); err != nil {
		return fmt.Errorf("write the header: %w", err)
	}
	if err := c.file.Flush(); err != nil {
		return err
	}
	return c.readBlocks()
}

// readBlocks reads where the refcount blocks are.
func (c *checker) readBlocks() error {
	clear(c.blocks)
	return c.each(c.h.refTable, int64(c.h.refClusters)<<c.h.clusterBits, func(b []byte, at int64) bool {
		for ; len(b) > 0; b, at = b[8:], at+8 {
			if block := int64(be.Uint64(b) & refBlockOffset); block != 0 {
				c.blocks[at/8] = block
			}
		}
		return false
	})
}

// finish makes the repair stable, and then takes the marks off the header.
func (c *checker) finish() error {
	if c.repair == disk.RepairNothing {
		return nil
	}
	if err := c.file.Flush(); err != nil {
		return err
	}
	h := c.h
	marks := uint64(featureDirty | featureCorrupt)
	if h.incompatible&marks == 0 || c.result.ErrorsFixed < c.result.Errors {
		return nil
	}
	h.incompatible &^= marks
	h.Dirty, h.Corrupt = false, false
	b := make([]byte, 8)
	be.PutUint64(b, h.incompatible)
	if _, err := c.file.WriteAt(b, 72); err != nil {
		return fmt.Errorf("write the header: %w", err)
	}
	return c.file.Flush()
}
