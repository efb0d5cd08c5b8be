package qed

import (
	"math"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
)

const (
	tableCache = 1 << 20 // bytes of tables that are kept
	zero       = 1       // the entry of a cluster of zeros
)

// An Image is an open image. It is a [disk.Device].
type Image struct {
	readonly.Image
	h      *header
	tables *tables.File
}

// New opens the image on a device. The backing file is opened by refer; without it, an
// image that has one is refused with a [*disk.NotAllowedError]. The image closes both, but
// not d if New fails. The path is for errors.
func New(d disk.Device, path string, refer func(disk.Reference) (disk.Device, error)) (*Image, error) {
	m := &Image{tables: tables.NewCache(tableCache).File(d)}
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

// entry reads an entry of a table: where a cluster is.
func (m *Image) entry(table, i int64) (int64, error) {
	var b [8]byte
	if err := m.tables.Read(b[:], table+i*8); err != nil {
		return 0, readonly.Ended(damage, err, "table", table)
	}
	e := le.Uint64(b[:])
	if e > math.MaxInt64/2 || e != zero && e%uint64(m.h.cluster) != 0 {
		return 0, damage.Errorf("the table at %d has %d as the place of a cluster", table, e)
	}
	return int64(e), nil
}

// Segment implements [readonly.Layout].
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	h := m.h
	cluster, in := off/h.cluster, off%h.cluster
	s := readonly.Segment{Size: min(n, h.cluster-in)}
	table, err := m.entry(h.l1, cluster/h.entries)
	switch {
	case err != nil:
		return s, err
	case table == zero:
		return s, damage.Errorf("a table lies at %d", table)
	case table == 0:
		s.Size = min(n, (h.entries-cluster%h.entries)*h.cluster-in)
		return s, nil
	}
	e, err := m.entry(table, cluster%h.entries)
	switch e {
	case 0:
	case zero:
		s.Kind = disk.Zero
	default:
		s.Kind, s.Block, s.Host = disk.Data, e, e+in
	}
	return s, err
}

// Unpack is not called: nothing is compressed.
func (m *Image) Unpack([]byte, int64) error { return nil }
