package bochs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/unboot/unboot/disk"
)

const (
	sectorSize = 512
	headerSize = 96
	magic      = "Bochs Virtual HD Image"

	version1 = 0x00010000 // the size of the disk is 4 bytes earlier
	version2 = 0x00020000
)

var le = binary.LittleEndian

// A header says how an image is laid out.
type header struct {
	size    int64 // of the disk, in bytes
	catalog int64 // where it begins
	entries int64
	data    int64 // where the extents begin
	extent  int64 // bytes of the disk
	bitmap  int64 // bytes of its bitmap, in whole sectors
}

func readHeader(d disk.Device) (*header, error) {
	b := make([]byte, headerSize)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	text := func(b []byte) string { b, _, _ = bytes.Cut(b, []byte{0}); return string(b) }
	if !Match(b, nil) {
		return nil, ErrFormat
	}
	if kind, subtype := text(b[32:48]), text(b[48:64]); kind != "Redolog" || subtype != "Growing" {
		return nil, fmt.Errorf("%w: it is of the type %q, %q", ErrFormat, kind, subtype)
	}
	version, size := le.Uint32(b[64:]), le.Uint64(b[88:])
	switch version {
	case version2:
	case version1:
		size = le.Uint64(b[84:])
	default:
		return nil, fmt.Errorf("%w: it is of version %#x", ErrFormat, version)
	}
	h := &header{catalog: int64(le.Uint32(b[68:])), entries: int64(le.Uint32(b[72:])), extent: int64(le.Uint32(b[80:]))}
	bitmap := int64(le.Uint32(b[76:]))
	switch {
	case size == 0 || size > math.MaxInt64/2:
		return nil, damage.Errorf("a disk of %d bytes", size)
	case h.extent == 0 || h.extent%sectorSize != 0 || h.extent > 1<<30:
		return nil, damage.Errorf("extents of %d bytes", h.extent)
	case h.catalog%4 != 0:
		return nil, damage.Errorf("a catalog at %d", h.catalog)
	case bitmap < (h.extent/sectorSize+7)/8:
		return nil, damage.Errorf("bitmaps of %d bytes for %d sectors", bitmap, h.extent/sectorSize)
	}
	h.size = int64(size) / sectorSize * sectorSize
	h.bitmap = (bitmap + sectorSize - 1) / sectorSize * sectorSize
	h.data = h.catalog + 4*h.entries
	if need := (h.size + h.extent - 1) / h.extent; h.entries < need {
		return nil, damage.Errorf("a catalog of %d entries, and not %d", h.entries, need)
	}
	return h, nil
}
