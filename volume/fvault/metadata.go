package fvault

import (
	"crypto/aes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"

	"golang.org/x/crypto/xts"

	"github.com/unboot/unboot/internal/nonzero"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/field"
)

const (
	headSize  = 512     // of the header of a physical volume
	blockSize = 8 << 10 // of a block of metadata

	// blocksMax bounds the metadata that is read. A volume has some hundred blocks.
	blocksMax = 16 << 10
)

var (
	le16 = binary.LittleEndian.Uint16
	le32 = binary.LittleEndian.Uint32
	le64 = binary.LittleEndian.Uint64

	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// metadata is what is known of a volume.
type metadata struct {
	Header
	family     [16]byte // Header.FamilyUUID
	salt       []byte
	wrappedKEK []byte
	wrappedKey []byte
}

// The metadata has three things that are needed, each in a block of its own type.
const (
	hasKeys = 1 << iota
	hasSize
	hasOffset
	hasAll = hasKeys | hasSize | hasOffset
)

func read(m *volume.Member) (*metadata, error) {
	head, err := readChecked(m, 0, headSize)
	if err != nil {
		return nil, err
	}
	switch unit := le32(head[96:]); {
	case le16(head[8:]) != 1 || string(head[88:90]) != "CS":
		return nil, fmt.Errorf("it has version %d", le16(head[8:]))
	case le32(head[168:]) != 16:
		return nil, fmt.Errorf("its key has %d bytes", le32(head[168:]))
	case unit < volume.SectorSize || unit > 1<<20 || unit%volume.SectorSize != 0:
		return nil, fmt.Errorf("it has blocks of %d bytes", unit)
	}
	meta := &metadata{}
	meta.UUID = field.UUID(head[304:320])
	unit := uint64(le32(head[96:]))
	labelAt, err := times(le64(head[104:]), unit, m.Size)
	if err != nil {
		return nil, err
	}
	label, err := readChecked(m, labelAt, blockSize)
	if err != nil {
		return nil, err
	}
	groups := make([]byte, 40)
	if err := m.ReadFull(groups, labelAt+int64(le32(label[220:]))); err != nil {
		return nil, err
	}
	start, err := times(le64(groups[32:]), unit, m.Size)
	if err != nil {
		return nil, err
	}
	// The key of the metadata stands beside it: it is for hiding, not for keeping secrets.
	key := append(append([]byte(nil), head[176:192]...), head[304:320]...)
	cipher, err := xts.NewCipher(aes.NewCipher, key)
	if err != nil {
		return nil, err
	}
	return meta, meta.readBlocks(m, cipher, start, min(le64(groups[8:]), blocksMax), unit)
}

// readBlocks reads the encrypted blocks, up to one that was never written.
func (meta *metadata) readBlocks(m *volume.Member, cipher *xts.Cipher, start int64, n, unit uint64) error {
	found := 0
	b := make([]byte, blockSize)
	for i := range n {
		if err := m.ReadFull(b, start+int64(i)*blockSize); err != nil {
			return err
		}
		if !nonzero.In(b) {
			break
		}
		cipher.Decrypt(b, b, i)
		if !checked(b) {
			return fmt.Errorf("block %d of the metadata has a wrong checksum", i)
		}
		what, err := meta.take(b, unit, m.Size)
		if err != nil {
			return fmt.Errorf("block %d of the metadata: %w", i, err)
		}
		found |= what
	}
	if found != hasAll {
		return errors.New("a part of the metadata is missing: the volume is not encrypted, or it has no passphrase")
	}
	return nil
}

// take takes over what a block has, and returns what that is.
func (meta *metadata) take(b []byte, unit uint64, size int64) (int, error) {
	switch le16(b[10:]) {
	case 0x0019:
		text, err := plist(b, 112)
		if err != nil {
			return 0, err
		}
		return hasKeys, meta.takeKeys(text)
	case 0x001a:
		text, err := plist(b, 128)
		if err != nil {
			return 0, err
		}
		return hasSize, meta.takeSize(text)
	case 0x0305:
		off, err := times(uint64(le32(b[104:])), unit, size)
		meta.Offset = off
		return hasOffset, err
	}
	return 0, nil
}

// check looks at where the volume is said to lie.
func (meta *metadata) check(size int64) error {
	if meta.Size%volume.SectorSize != 0 || meta.Size > size-meta.Offset {
		return fmt.Errorf("the metadata says that the volume has %d bytes at %d, which the device has not", meta.Size, meta.Offset)
	}
	return nil
}

// readChecked reads a structure that begins with its checksum.
func readChecked(m *volume.Member, off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if err := m.ReadFull(b, off); err != nil {
		return nil, err
	}
	if !checked(b) {
		return nil, fmt.Errorf("the checksum at %d is wrong", off)
	}
	return b, nil
}

// checked compares a checksum: CRC-32C from a seed that has to be all ones, not inverted at
// the end.
func checked(b []byte) bool {
	return le32(b[4:]) == 0xffffffff && le32(b) == ^crc32.Checksum(b[8:], castagnoli)
}

// times returns the offset of a block, which is to lie on the device.
func times(block, unit uint64, size int64) (int64, error) {
	hi, lo := bits.Mul64(block, unit)
	if hi != 0 || lo > uint64(size) {
		return 0, fmt.Errorf("block %d of %d bytes lies past the end of the device", block, unit)
	}
	return int64(lo), nil
}
