package parallels

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
)

// tableCache is how many bytes of the table are kept.
const tableCache = 1 << 20

// An Image is an open expanding image. It is a [disk.Device].
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
	number, in := off/h.block, off%h.block
	s := readonly.Segment{Size: min(n, h.block-in)}
	if number >= h.entries { // the table may be too short, as in QEMU
		s.Size = n
		return s, nil
	}
	var b [4]byte
	if err := m.tables.Read(b[:], headerSize+4*number); err != nil {
		return s, readonly.Ended(damage, err, "table", headerSize)
	}
	if e := int64(le.Uint32(b[:])); e != 0 {
		s.Kind, s.Block, s.Host = disk.Data, e*h.unit, e*h.unit+in
	}
	return s, nil
}

// Unpack is not called: nothing is compressed.
func (m *Image) Unpack([]byte, int64) error { return nil }
