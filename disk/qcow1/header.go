package qcow1

import (
	"encoding/binary"
	"math"

	"github.com/unboot/unboot/disk"
)

const (
	magic      = "QFI\xfb\x00\x00\x00\x01" // with the version
	headerSize = 48
	maxName    = 1023 // bytes of the name of a backing file
)

var be = binary.BigEndian

// A header says how an image is laid out.
type header struct {
	size        int64 // of the disk, in bytes
	clusterBits uint
	l2Bits      uint // how many entries a table of the second level has
	l1          int64
	backing     string
}

func readHeader(d disk.Device) (*header, error) {
	b := make([]byte, headerSize)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	if !Match(b, nil) {
		return nil, ErrFormat
	}
	h := &header{clusterBits: uint(b[32]), l2Bits: uint(b[33])}
	size, l1 := be.Uint64(b[24:]), be.Uint64(b[40:])
	switch crypt := be.Uint32(b[36:]); {
	case h.clusterBits < 9 || h.clusterBits > 16 || h.l2Bits < 6 || h.l2Bits > 13:
		return nil, damage.Errorf("clusters of 2^%d bytes, and tables of 2^%d entries", h.clusterBits, h.l2Bits)
	case size > math.MaxInt64/2 || l1 > math.MaxInt64/2:
		return nil, damage.Errorf("a disk of %d bytes, with a table at %d", size, l1)
	case crypt != 0:
		return nil, &disk.FormatError{Format: "encrypted qcow", Hint: "decrypt it first: qemu-img convert"}
	}
	h.size, h.l1 = int64(size), int64(l1)
	if off, n := be.Uint64(b[8:]), be.Uint32(b[16:]); off != 0 && n > 0 {
		if n > maxName || off > math.MaxInt64/2 {
			return nil, damage.Errorf("the name of the backing file has %d bytes at %d", n, off)
		}
		name := make([]byte, n)
		if err := damage.ReadFull(d, name, int64(off), "name of the backing file"); err != nil {
			return nil, err
		}
		h.backing = string(name)
	}
	return h, nil
}

// references returns the backing file, if there is one. The image does not say what format
// that has.
func (h *header) references() []disk.Reference {
	if h.backing == "" {
		return nil
	}
	return []disk.Reference{{Role: disk.BackingFile, Name: h.backing}}
}
