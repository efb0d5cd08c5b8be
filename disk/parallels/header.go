package parallels

import (
	"encoding/binary"
	"math"

	"github.com/unboot/unboot/disk"
)

const (
	sectorSize = 512
	headerSize = 64
	version    = 2
	magic      = "WithoutFreeSpace"
	magicWide  = "WithouFreSpacExt" // entries of the table are in blocks, not in sectors
)

var le = binary.LittleEndian

// A header says how an image is laid out.
type header struct {
	size    int64 // of the disk, in bytes
	block   int64 // bytes
	entries int64 // of the table
	unit    int64 // bytes of one of those that an entry counts
}

func readHeader(d disk.Device) (*header, error) {
	b := make([]byte, headerSize)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	wide := string(b[:16]) == magicWide
	if !wide && string(b[:16]) != magic {
		return nil, ErrFormat
	}
	sectors, tracks := le.Uint64(b[36:]), int64(le.Uint32(b[28:]))
	h := &header{block: tracks * sectorSize, entries: int64(le.Uint32(b[32:])), unit: sectorSize}
	if wide {
		h.unit = h.block
	} else {
		sectors &= math.MaxUint32 // what follows may be anything
	}
	switch v := le.Uint32(b[16:]); {
	case v != version:
		return nil, damage.Errorf("it is of version %d", v)
	case tracks == 0 || tracks > math.MaxInt32/sectorSize:
		return nil, damage.Errorf("blocks of %d sectors", tracks)
	case sectors > math.MaxInt64/sectorSize/2:
		return nil, damage.Errorf("a disk of %d sectors", sectors)
	}
	h.size = int64(sectors) * sectorSize
	return h, nil
}
