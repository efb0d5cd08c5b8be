package verity

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

// A Superblock is what veritysetup(8) writes before a tree of hashes.
type Superblock struct {
	HashType      int // 1, or 0 of Chromium OS
	UUID          string
	Algorithm     string // "sha256"
	DataBlockSize int64  // in bytes
	HashBlockSize int64  // in bytes
	DataBlocks    int64
	HashStart     int64 // of the tree on the device, in hash blocks
	Salt          []byte
	// RootHash is the hash against which the data are verified, or nil if it is not known.
	RootHash []byte
	// Signature is what a partition for signatures has of the root hash, or nil.
	Signature *Signature
}

var le = binary.LittleEndian

const (
	superblockSize = 512
	maxBlock       = 512 << 10 // veritysetup's bound on blocks, in bytes
	maxSalt        = 256
)

// Read reads the superblock that is offset bytes into a device: 0, or what was given to
// veritysetup(8) as --hash-offset.
func Read(r io.ReaderAt, offset int64) (*Superblock, error) {
	b := make([]byte, superblockSize)
	if offset < 0 || offset%volume.SectorSize != 0 || offset > math.MaxInt64-2*maxBlock {
		return nil, fmt.Errorf("dm-verity cannot have its superblock at %d", offset)
	}
	if n, err := r.ReadAt(b, offset); n < len(b) {
		return nil, fmt.Errorf("reading the superblock of dm-verity: %w", err)
	}
	if !bytes.HasPrefix(b, []byte("verity\x00\x00")) {
		return nil, errors.New("no superblock of dm-verity is there")
	}
	s := &Superblock{
		HashType:      int(le.Uint32(b[12:])),
		UUID:          field.UUID(b[16:]),
		DataBlockSize: int64(le.Uint32(b[64:])),
		HashBlockSize: int64(le.Uint32(b[68:])),
	}
	name, _, _ := bytes.Cut(b[32:64], []byte{0})
	s.Algorithm = string(name)
	blocks, saltSize := le.Uint64(b[72:]), le.Uint16(b[80:])
	switch {
	case le.Uint32(b[8:]) != 1:
		return nil, fmt.Errorf("the version %d of dm-verity's superblock is not known", le.Uint32(b[8:]))
	case s.HashType > 1:
		return nil, fmt.Errorf("the type %d of dm-verity's hashes is not known", s.HashType)
	case !isBlockSize(s.DataBlockSize) || !isBlockSize(s.HashBlockSize):
		return nil, fmt.Errorf("dm-verity with blocks of %d bytes, and of %d bytes for hashes", s.DataBlockSize, s.HashBlockSize)
	case saltSize > maxSalt:
		return nil, fmt.Errorf("dm-verity with a salt of %d bytes", saltSize)
	case blocks == 0 || blocks > uint64(math.MaxInt64/s.DataBlockSize):
		return nil, fmt.Errorf("dm-verity for %d blocks", blocks)
	}
	for _, c := range name {
		// It becomes a word of a table.
		if c <= ' ' || c > '~' {
			return nil, fmt.Errorf("dm-verity with a hash that is called %q", name)
		}
	}
	s.DataBlocks = int64(blocks)
	s.Salt = bytes.Clone(b[88 : 88+saltSize])
	s.HashStart = (offset + superblockSize + s.HashBlockSize - 1) / s.HashBlockSize
	return s, nil
}

func isBlockSize(n int64) bool { return n >= 512 && n <= maxBlock && n&(n-1) == 0 }
