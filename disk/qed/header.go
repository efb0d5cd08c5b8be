package qed

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/unboot/unboot/disk"
)

const (
	magic      = "QED\x00"
	headerSize = 64
	maxName    = 1023 // bytes of the name of a backing file
)

// Features without which an image cannot be read.
const (
	featureBacking = 1 << iota // it has a backing file
	featureCheck               // it was not closed
	featureRaw                 // the backing file is raw, whatever it looks like
	features       = featureBacking | featureCheck | featureRaw
)

var le = binary.LittleEndian

// A header says how an image is laid out.
type header struct {
	size     int64 // of the disk, in bytes
	cluster  int64 // bytes
	entries  int64 // of a table
	l1       int64
	features uint64
	backing  string
}

func readHeader(d disk.Device) (*header, error) {
	b := make([]byte, headerSize)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	if !Match(b, nil) {
		return nil, ErrFormat
	}
	cluster, table := le.Uint32(b[4:]), le.Uint32(b[8:])
	h := &header{features: le.Uint64(b[16:])}
	size, l1 := le.Uint64(b[48:]), le.Uint64(b[40:])
	switch {
	case h.features&^features != 0:
		return nil, damage.Errorf("it has features that are not known here: %#x", h.features&^features)
	case bits.OnesCount32(cluster) != 1 || cluster < 4<<10 || cluster > 64<<20:
		return nil, damage.Errorf("clusters of %d bytes", cluster)
	case bits.OnesCount32(table) != 1 || table > 16:
		return nil, damage.Errorf("tables of %d clusters", table)
	case size > math.MaxInt64 || size%512 != 0 || l1 > math.MaxInt64/2 || l1%uint64(cluster) != 0:
		return nil, damage.Errorf("a disk of %d bytes, with a table at %d", size, l1)
	}
	h.size, h.l1, h.cluster = int64(size), int64(l1), int64(cluster)
	h.entries = h.cluster * int64(table) / 8
	// So that the disk is not larger than the tables can say, which is checked without
	// an overflow.
	if h.size > 0 && (h.size-1)/h.cluster/h.entries >= h.entries {
		return nil, damage.Errorf("a disk of %d bytes, with tables of %d entries", size, h.entries)
	}
	if h.features&featureBacking == 0 {
		return h, nil
	}
	off, n := le.Uint32(b[56:]), le.Uint32(b[60:])
	if n > maxName {
		return nil, damage.Errorf("the name of the backing file has %d bytes at %d", n, off)
	}
	name := make([]byte, n)
	if err := damage.ReadFull(d, name, int64(off), "name of the backing file"); err != nil {
		return nil, err
	}
	h.backing = string(name)
	return h, nil
}

// references returns the backing file, if there is one.
func (h *header) references() []disk.Reference {
	if h.features&featureBacking == 0 {
		return nil
	}
	ref := disk.Reference{Role: disk.BackingFile, Name: h.backing}
	if h.features&featureRaw != 0 {
		ref.Format = "raw"
	}
	return []disk.Reference{ref}
}
