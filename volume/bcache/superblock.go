package bcache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/field"
)

// A State says what the cache has of a backing device.
type State int

// The states, as bdev->sb.flags has them.
const (
	Detached State = iota // it has no cache, or one with nothing of it
	Clean                 // all that the cache has is on the backing device too
	Dirty                 // the cache may have newer data
	Stale                 // it was used without the cache that it had
)

// A Superblock is that of a backing device or of a cache.
type Superblock struct {
	Version int
	Cache   bool   // it is a cache
	UUID    string // of the device
	SetUUID string // of the set of caches
	Label   string
	// State and DataOffset, in bytes, are of a backing device.
	State      State
	DataOffset int64
	// Buckets and BucketSize, in bytes, are of a cache.
	Buckets    uint64
	BucketSize int64
}

const (
	superblockAt   = 4096
	superblockSize = 4096
	keysAt         = 208 // in the superblock, before the places of the journal
	maxKeys        = 256
	defaultOffset  = 16 // in sectors
	magic          = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"
)

var le = binary.LittleEndian

// Read reads the superblock of a device of size bytes.
func Read(r io.ReaderAt, size int64) (*Superblock, error) {
	b := make([]byte, superblockSize)
	if n, err := r.ReadAt(b, superblockAt); n < len(b) {
		return nil, fmt.Errorf("reading the superblock of bcache: %w", err)
	}
	if string(b[24:40]) != magic || le.Uint64(b[8:]) != superblockAt/volume.SectorSize {
		return nil, errors.New("no superblock of bcache is there")
	}
	keys := int(le.Uint16(b[206:]))
	if keys > maxKeys {
		return nil, fmt.Errorf("the superblock of bcache says that its journal has %d parts", keys)
	}
	if crc64(b[8:keysAt+8*keys]) != le.Uint64(b) {
		return nil, errors.New("the superblock of bcache is damaged: its checksum does not fit")
	}
	label, _, _ := bytes.Cut(b[72:104], []byte{0})
	s := &Superblock{UUID: field.UUID(b[40:56]), SetUUID: field.UUID(b[56:72]), Label: string(label)}
	switch version := le.Uint64(b[16:]); version {
	case 0, 3, 5:
		s.Version, s.Cache = int(version), true
		s.Buckets, s.BucketSize = le.Uint64(b[184:]), bucketSize(b)
		return s, nil
	case 1, 4, 6:
		s.Version, s.State = int(version), State(le.Uint64(b[104:])>>61&3)
		offset := le.Uint64(b[184:])
		if version == 1 {
			offset = defaultOffset
		}
		if offset < defaultOffset || offset >= uint64(size/volume.SectorSize) {
			return nil, fmt.Errorf("the superblock of bcache says that the data begins in sector %d of %d", offset, size/volume.SectorSize)
		}
		s.DataOffset = int64(offset) * volume.SectorSize
		return s, nil
	default:
		return nil, fmt.Errorf("the version %d of bcache is not known", version)
	}
}

// bucketSize returns the size of a cache's buckets in bytes, or 0 if it is impossible.
func bucketSize(b []byte) int64 {
	const largeBucket = 1 << 1 // of the incompatible features: the size is a power of two
	n := int64(le.Uint16(b[194:]))
	if le.Uint64(b[16:]) == 5 && le.Uint64(b[128:])&largeBucket != 0 {
		if n >= 32 {
			return 0
		}
		n = 1 << n
	}
	return n * volume.SectorSize
}

// crcTable has the remainders of all bytes, the highest bit first: ECMA-182 as the kernel's
// crc64_be has it. Package hash/crc64 has only those with the lowest bit first.
var crcTable = func() (table [256]uint64) {
	for i := range table {
		c := uint64(i) << 56
		for range 8 {
			if c>>63 != 0 {
				c = c<<1 ^ 0x42f0e1eba9ea3693
			} else {
				c <<= 1
			}
		}
		table[i] = c
	}
	return table
}()

func crc64(b []byte) uint64 {
	c := uint64(math.MaxUint64)
	for _, x := range b {
		c = crcTable[byte(c>>56)^x] ^ c<<8
	}
	return ^c
}
