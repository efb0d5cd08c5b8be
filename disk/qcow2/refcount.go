package qcow2

import "fmt"

// counts are a part of a refcount block. order is the logarithm of their width in bits,
// from 0 to 6. Those that are smaller than a byte begin at its lowest bit.
type counts struct {
	b     []byte
	order uint
}

// len returns how many there are.
func (c counts) len() int { return len(c.b) * 8 >> c.order }

// get returns one of them.
func (c counts) get(i int) uint64 {
	switch c.order {
	case 3:
		return uint64(c.b[i])
	case 4:
		return uint64(be.Uint16(c.b[2*i:]))
	case 5:
		return uint64(be.Uint32(c.b[4*i:]))
	case 6:
		return be.Uint64(c.b[8*i:])
	}
	bit := i << c.order
	return uint64(c.b[bit/8]>>(bit%8)) & (1<<(1<<c.order) - 1)
}

// set changes one of them.
func (c counts) set(i int, n uint64) {
	switch c.order {
	case 3:
		c.b[i] = byte(n)
	case 4:
		be.PutUint16(c.b[2*i:], uint16(n))
	case 5:
		be.PutUint32(c.b[4*i:], uint32(n))
	case 6:
		be.PutUint64(c.b[8*i:], n)
	default:
		bit := i << c.order
		mask := byte(1<<(1<<c.order)-1) << (bit % 8)
		c.b[bit/8] = c.b[bit/8]&^mask | byte(n)<<(bit%8)&mask
	}
}

// maxCount returns the largest reference count that the image can have.
func (h *Header) maxCount() uint64 {
	if h.refcountOrder == 6 {
		return 1<<64 - 1
	}
	return 1<<(1<<h.refcountOrder) - 1
}

// perBlock returns how many clusters a refcount block is about.
func (h *Header) perBlock() int64 { return int64(h.ClusterSize) * 8 >> h.refcountOrder }

// refBlock returns where the refcount block of a cluster of the file is, or 0 if it has
// none. The caller holds mu, as for all functions that follow.
func (w *writer) refBlock(cluster int64) (int64, error) {
	index := cluster / w.m.h.perBlock()
	if index >= w.m.h.refEntries() {
		return 0, nil
	}
	slice, at, err := w.m.tableAt(w.m.h.refTable, index*8, 8)
	if err != nil {
		return 0, fmt.Errorf("read the refcount table: %w", err)
	}
	block := int64(be.Uint64(slice[at:]) & refBlockOffset)
	if block&int64(w.m.h.ClusterSize-1) != 0 {
		return 0, damaged("refcount block %d is at %d, which is not the start of a cluster", index, block)
	}
	return block, nil
}

// refBlockOffset are the bits of an entry of the refcount table that say where the block is.
const refBlockOffset = 0xfffffffffffffe00 &^ (1 << 63)

// refEntries returns how many entries the refcount table has.
func (h *Header) refEntries() int64 { return int64(h.refClusters) << (h.clusterBits - 3) }

// countsOf returns the reference counts of the clusters of the file from first on, which
// are those from cluster's on that lie in one slice of one block. Without a block, they
// are nil.
func (w *writer) countsOf(cluster int64) (c counts, first, block int64, err error) {
	h := w.m.h
	block, err = w.refBlock(cluster)
	if block == 0 || err != nil {
		return c, 0, block, err
	}
	in := cluster % h.perBlock()
	byteOff := in << h.refcountOrder / 8
	size := int64(min(tableSlice, h.ClusterSize))
	slice, _, err := w.m.tableAt(block, byteOff, 1)
	if err != nil {
		return c, 0, block, fmt.Errorf("read the refcount block at %d: %w", block, err)
	}
	first = cluster - in + byteOff&^(size-1)*8>>h.refcountOrder
	c = counts{slice, h.refcountOrder}
	if cluster-first >= int64(c.len()) {
		return c, 0, block, damaged("the refcount block at %d lies past the end of the file", block)
	}
	return c, first, block, nil
}

// count returns the reference count of a cluster of the file.
func (w *writer) count(cluster int64) (uint64, error) {
	c, first, _, err := w.countsOf(cluster)
	if err != nil || c.b == nil {
		return 0, err
	}
	return c.get(int(cluster - first)), nil
}

// setCount changes the reference count of a cluster, which has a refcount block.
func (w *writer) setCount(cluster int64, n uint64) error {
	c, first, block, err := w.countsOf(cluster)
	if err != nil {
		return err
	}
	if c.b == nil {
		return damaged("cluster %d has no refcount block", cluster)
	}
	off := block + (first%w.m.h.perBlock())<<w.m.h.refcountOrder/8
	// Nobody else looks at refcount blocks, so that it can be changed where it is.
	if _, ok := w.dirty[off]; !ok {
		c.b = append([]byte(nil), c.b...)
		w.put(off, c.b, stageCounts)
	}
	c.set(int(cluster-first), n)
	return nil
}
