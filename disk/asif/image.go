package asif

import (
	"math"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/tables"
)

const (
	tableCache = 1 << 20   // bytes of tables that are kept
	chunkMask  = 1<<55 - 1 // of an entry; the others are flags
)

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

// place returns where a chunk or a table is, by the entry at a place, or 0 if it is not there.
func (m *Image) place(at int64, what string) (int64, error) {
	var b [8]byte
	if err := m.tables.Read(b[:], at); err != nil {
		return 0, readonly.Ended(damage, err, what, at)
	}
	number := be.Uint64(b[:]) & chunkMask
	if number > uint64(math.MaxInt64/2/m.h.chunk) {
		return 0, damage.Errorf("the %s has chunk %d at %d", what, number, at)
	}
	return int64(number) * m.h.chunk, nil
}

// Segment implements [readonly.Layout].
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	h := m.h
	chunk, in := off/h.chunk, off%h.chunk
	s := readonly.Segment{Size: min(n, h.chunk-in)}
	table, err := m.place(h.directory+chunk/h.perTable*8, "directory")
	if err != nil {
		return s, err
	}
	chunk %= h.perTable
	if table == 0 {
		s.Size = min(n, (h.perTable-chunk)*h.chunk-in)
		return s, nil
	}
	at, err := m.place(table+(chunk+chunk/h.group)*8, "table")
	if err == nil && at != 0 {
		s.Kind, s.Block, s.Host = disk.Data, at, at+in
	}
	return s, err
}

// Unpack is not called: nothing is compressed.
func (m *Image) Unpack([]byte, int64) error { return nil }
