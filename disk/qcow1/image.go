package qcow1

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
	"github.com/unboot/unboot/internal/compression/inflate"
)

const (
	tableCache   = 1 << 20 // bytes of tables that are kept
	clusterCache = 8 << 20 // of decompressed clusters
	compressed   = 1 << 63 // of an entry
)

// An Image is an open image. It is a [disk.Device].
type Image struct {
	readonly.Image
	h      *header
	tables *tables.File
	blocks *tables.Blocks
}

// New opens the image on a device. The backing file is opened by refer; without it, an
// image that has one is refused with a [*disk.NotAllowedError]. The image closes both, but
// not d if New fails. The path is for errors.
func New(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (*Image, error) {
	m := &Image{tables: tables.NewCache(tableCache).File(d), blocks: tables.NewBlocks(clusterCache)}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage}
	var err error
	if m.h, err = readHeader(d); err != nil {
		return nil, m.Wrap("open", err)
	}
	m.Bytes = m.h.size
	for _, ref := range m.h.references() {
		if m.Parent, err = m.Refer(ref, refer); err != nil {
			return nil, m.Wrap("open", err)
		}
	}
	return m, nil
}

// entry reads an entry of a table.
func (m *Image) entry(table, i int64) (uint64, error) {
	var b [8]byte
	at := table + i*8
	if at%8 != 0 {
		return 0, damage.Errorf("a table begins at %d", table)
	}
	if err := m.tables.Read(b[:], at); err != nil {
		return 0, readonly.Ended(damage, err, "table", table)
	}
	return be.Uint64(b[:]), nil
}

// cluster returns the entry of the cluster that has a byte of the disk, and how much of the
// disk is stored like it from there on: more than the cluster if the table is not there.
func (m *Image) cluster(off int64) (e uint64, n int64, err error) {
	h := m.h
	table, err := m.entry(h.l1, off>>(h.clusterBits+h.l2Bits))
	if err != nil {
		return 0, 0, err
	}
	n = 1<<(h.clusterBits+h.l2Bits) - off&(1<<(h.clusterBits+h.l2Bits)-1)
	if table == 0 {
		return 0, n, nil
	}
	if table > 1<<62 {
		return 0, 0, damage.Errorf("a table lies at %d", table)
	}
	e, err = m.entry(int64(table), off>>h.clusterBits&(1<<h.l2Bits-1))
	return e, 1<<h.clusterBits - off&(1<<h.clusterBits-1), err
}

// Segment implements [readonly.Layout].
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	e, have, err := m.cluster(off)
	s := readonly.Segment{Size: min(n, have)}
	switch {
	case err != nil || e == 0:
	case e&compressed != 0:
		s.Kind = disk.Compressed
	case e > 1<<62:
		err = damage.Errorf("a cluster lies at %d", e)
	default:
		in := off & (1<<m.h.clusterBits - 1)
		s.Kind, s.Block, s.Host = disk.Data, int64(e), int64(e)+in
	}
	return s, err
}

// Unpack implements [readonly.Layout].
func (m *Image) Unpack(p []byte, off int64) error {
	e, _, err := m.cluster(off)
	if err != nil {
		return err
	}
	size := int64(1) << m.h.clusterBits
	b, err := m.blocks.Get(e, int(size), func() ([]byte, error) { return m.inflate(e) })
	if err == nil {
		copy(p, b[off&(size-1):])
	}
	return err
}

// inflate decompresses a cluster by its entry, which has its place and the number of its
// bytes.
func (m *Image) inflate(e uint64) ([]byte, error) {
	size := uint64(1) << m.h.clusterBits
	packed, at := int64(e>>(63-m.h.clusterBits)&(size-1)), int64(e&(1<<(63-m.h.clusterBits)-1))
	in := make([]byte, packed)
	if err := damage.ReadFull(m.File, in, at, "compressed cluster"); err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n, err := inflate.Decompress(b, in); err != nil || n < len(b) {
		return nil, damage.Errorf("the compressed cluster of %d bytes at %d has %d bytes, and not %d (%v)", packed, at, n, size, err)
	}
	return b, nil
}
