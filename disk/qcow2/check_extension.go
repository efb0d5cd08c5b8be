package qcow2

import "fmt"

// countExtensions counts the clusters that header extensions refer to: the header of the
// encryption, and bitmaps, if they are valid.
func (c *checker) countExtensions() error {
	h := c.h
	if e := h.encryption; e.off != 0 {
		if e.off < 0 || e.n < 0 || e.off > c.file.Size() || e.n > c.file.Size()-e.off+int64(h.ClusterSize) {
			c.result.Errors++
			c.say("the header of the encryption has %d bytes at %d", e.n, e.off)
			return nil
		}
		c.count(e.off, e.n, 1)
	}
	if h.bitmaps.off == 0 || h.autoclear&autoclearBitmaps == 0 {
		return nil
	}
	return c.countBitmaps()
}

const (
	maxBitmapDirectory = 64 << 20 // bytes; QEMU's limit is 64 MiB too
	maxBitmapTable     = 64 << 20 // bytes
	bitmapHead         = 24       // bytes of an entry of the directory
)

// countBitmaps counts the directory of bitmaps, their tables and their clusters.
func (c *checker) countBitmaps() error {
	off, n := c.h.bitmaps.off, c.h.bitmaps.n
	if off < 0 || n < 0 || n > maxBitmapDirectory || off > c.file.Size()-n {
		c.result.Errors++
		c.say("a directory of bitmaps of %d bytes at %d", n, off)
		return nil
	}
	c.count(off, n, 1)
	for end := off + n; off+bitmapHead <= end; {
		b := make([]byte, bitmapHead)
		if err := readFull(c.file, b, off); err != nil {
			return fmt.Errorf("read the directory of bitmaps: %w", err)
		}
		table, entries := int64(be.Uint64(b)), int64(be.Uint32(b[8:]))
		if table <= 0 || entries*8 > maxBitmapTable || table > c.file.Size()-entries*8 {
			c.result.Errors++
			c.say("a bitmap with a table of %d entries at %d", entries, table)
			return nil
		}
		c.count(table, entries*8, 1)
		err := c.each(table, entries*8, func(b []byte, at int64) bool {
			for ; len(b) > 0; b = b[8:] {
				if cluster := int64(be.Uint64(b) & entryOffset); cluster != 0 && c.inside(cluster) {
					c.count(cluster, int64(c.h.ClusterSize), 1)
				}
			}
			return false
		})
		if err != nil {
			return err
		}
		off += (bitmapHead + int64(be.Uint32(b[20:])) + int64(be.Uint16(b[18:])) + 7) &^ 7
	}
	return nil
}
