package dmg

import (
	"encoding/binary"
	"math"

	"github.com/unboot/unboot/disk"
)

const (
	sectorSize = 512
	kolySize   = 512
	magicKoly  = "koly\x00\x00\x00\x04" // with the version
)

var be = binary.BigEndian

// A koly is the trailer.
type koly struct {
	data           int64 // where the data is
	dataSize       int64
	fork, forkSize int64 // where the resource fork is
	xml, xmlSize   int64 // where the property list is
	segments       uint32
	checksum       checksum // of the checksums of the tables
	sectors        int64
}

// readKoly reads the trailer.
func readKoly(d disk.Device) (*koly, error) {
	b := make([]byte, kolySize)
	end := d.Size() - kolySize
	if end < 0 {
		return nil, ErrFormat
	}
	if err := damage.ReadFull(d, b, end, "trailer"); err != nil {
		return nil, err
	}
	if !Match(nil, b) {
		return nil, ErrFormat
	}
	k := &koly{segments: be.Uint32(b[60:]), checksum: readChecksum(b[352:])}
	for _, f := range []struct {
		v   *int64
		off int
	}{{&k.data, 24}, {&k.dataSize, 32}, {&k.fork, 40}, {&k.forkSize, 48}, {&k.xml, 216}, {&k.xmlSize, 224}, {&k.sectors, 492}} {
		v := be.Uint64(b[f.off:])
		if v > math.MaxInt64/sectorSize {
			return nil, damage.Errorf("the trailer at %d has the number %#x", end, v)
		}
		*f.v = int64(v)
	}
	switch {
	case k.segments > 1:
		return nil, ErrSegments
	case k.data > end || k.fork > end-k.forkSize || k.xml > end-k.xmlSize:
		return nil, damage.Errorf("data at %d, %d bytes of a resource fork at %d, or %d of a property list at %d lie past the trailer at %d",
			k.data, k.forkSize, k.fork, k.xmlSize, k.xml, end)
	}
	return k, nil
}

// size returns the size of the disk in bytes: that of the trailer, or, if a table says more,
// what that ends with.
func (k *koly) size(list []*table) (int64, error) {
	sectors := k.sectors
	for _, t := range list {
		for _, r := range t.runs {
			sectors = max(sectors, (r.start+r.size)/sectorSize)
		}
	}
	if sectors > math.MaxInt64/sectorSize {
		return 0, damage.Errorf("it has %d sectors", sectors)
	}
	return sectors * sectorSize, nil
}

// A checksum is one of some kind.
type checksum struct {
	kind uint32
	crc  uint32
}

// checksumCRC32 is the only kind that hdiutil writes by default.
const checksumCRC32 = 2

// readChecksum reads a kind, the number of bits, and room for the checksum.
func readChecksum(b []byte) checksum {
	if kind, bits := be.Uint32(b), be.Uint32(b[4:]); kind == checksumCRC32 && bits == 32 {
		return checksum{kind, be.Uint32(b[8:])}
	}
	return checksum{}
}
