package bochs

import (
	"math"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
)

// tableCache is how many bytes of catalog and bitmaps are kept.
const tableCache = 1 << 20

// An Image is an open image. It is a [disk.Device].
type Image struct {
	readonly.Image
	h      *header
	tables *tables.File
}

// New opens the image on a device, which it closes when it is closed, but not if New fails.
// The path is for errors.
func New(d disk.Device, path string) (*Image, error) {
	m := &Image{tables: tables.NewCache(tableCache).File(d)}
	m.Image = readonly.Image{Layout: m, Path: path, File: d, Damaged: damage}
	var err error
	if m.h, err = readHeader(d); err != nil {
		return nil, m.Wrap("open", err)
	}
	m.Bytes = m.h.size
	return m, nil
}

// Segment implements [readonly.Layout].
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	h := m.h
	number, in := off/h.extent, off%h.extent
	n = min(n, h.extent-in)
	var b [4]byte
	if err := m.tables.Read(b[:], h.catalog+4*number); err != nil {
		return readonly.Segment{}, readonly.Ended(damage, err, "catalog", h.catalog)
	}
	e := le.Uint32(b[:])
	if e == math.MaxUint32 {
		return readonly.Segment{Size: n}, nil
	}
	bitmap := h.data + int64(e)*(h.bitmap+h.extent)
	first := in / sectorSize
	written, err := m.written(bitmap, first)
	if err != nil {
		return readonly.Segment{}, err
	}
	s := readonly.Segment{Size: min(n, sectorSize-in%sectorSize)}
	for s.Size < n {
		next, err := m.written(bitmap, (in+s.Size)/sectorSize)
		if err != nil || next != written {
			break // an error is found again when it is its turn
		}
		s.Size = min(n, s.Size+sectorSize)
	}
	if written {
		s.Kind, s.Host = disk.Data, bitmap+h.bitmap+in
	}
	return s, nil
}

// written reports whether a sector of an extent was written.
func (m *Image) written(bitmap, sector int64) (bool, error) {
	var b [1]byte
	if err := m.tables.Read(b[:], bitmap+sector/8); err != nil {
		return false, readonly.Ended(damage, err, "bitmap", bitmap)
	}
	return b[0]>>(sector%8)&1 != 0, nil
}

// Unpack is not called: nothing is compressed.
func (m *Image) Unpack([]byte, int64) error { return nil }
