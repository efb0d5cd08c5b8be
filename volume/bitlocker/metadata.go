package bitlocker

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/field"
)

const (
	blockHead   = 64       // of the header of a metadata block, in bytes
	datasetHead = 48       // of the header of the entries after it
	blockMax    = 64 << 10 // what a block has as room, and what is shown as zeros

	// protectorsMax bounds the time that a password may take: each one costs a key derivation.
	protectorsMax = 32
)

// metadata is what is known of a volume: from the best of the three blocks.
type metadata struct {
	*Header
	boot     *boot
	size     int64 // of the volume, in bytes
	problems []string

	block      []byte  // what is hashed, to see whether somebody without the key changed it
	seal       *sealed // has the hash
	vmks       []vmk   // in the order of Header.Protectors
	fvek       *sealed
	offsets    [3]int64 // of the blocks
	headAt     int64    // where the first sectors of the volume are, in bytes
	headSize   int64    // how much of them is there, in bytes
	logSize    int64    // of the log of an interrupted conversion, in bytes
	generation uint32   // the counter of nonces, which never goes back
}

// A vmk is a copy of the master key, for one protector.
type vmk struct {
	guid  string
	salt  []byte  // for keys that are derived
	clear []byte  // the key beside it, if that is how it is "protected"
	key   *sealed // the master key
}

// read returns the newest metadata of the blocks that are whole.
func read(m *volume.Member) (*metadata, error) {
	b, err := readBoot(m)
	if err != nil {
		return nil, err
	}
	var best *metadata
	var problems []string
	for _, off := range b.offsets {
		meta, err := readBlock(m, b, off)
		if err != nil {
			problems = append(problems, fmt.Sprintf("the metadata at %d: %v", off, err))
			continue
		}
		if best == nil || meta.generation > best.generation {
			best = meta
		}
	}
	if best == nil {
		return nil, fmt.Errorf("none of its metadata is valid: %s", problems[0])
	}
	best.problems = append(problems, best.problems...)
	if best.State == Encrypted && best.Encrypted > best.size {
		best.problems = append(best.problems, fmt.Sprintf("the volume has %d bytes, of which the device has %d", best.Encrypted, best.size))
	}
	return best, nil
}

// readBlock reads one block: header, entries, and the checksum that follows them.
func readBlock(m *volume.Member, b *boot, off int64) (*metadata, error) {
	head := make([]byte, blockHead)
	if err := m.ReadFull(head, off); err != nil {
		return nil, err
	}
	if string(head[:8]) != "-FVE-FS-" {
		return nil, errors.New("it has no signature")
	}
	meta := &metadata{
		Header: &Header{
			Version: int(le16(head[10:])), ToGo: b.toGo, SectorSize: int(b.sectorSize),
			State: State(le16(head[12:])), NextState: State(le16(head[14:])),
		},
		boot: b, size: m.Size / b.sectorSize * b.sectorSize,
	}
	size := int64(le16(head[8:]))
	switch meta.Version {
	case 1:
	case 2:
		size *= 16
	default:
		return nil, fmt.Errorf("it has version %d", meta.Version)
	}
	if size < blockHead+datasetHead || size > blockMax || size > m.Size-off-8 {
		return nil, fmt.Errorf("it has %d bytes", size)
	}
	// The checksum, and the encrypted hash, lie right after what they are of.
	tail := make([]byte, min(8+entryHead+256, m.Size-off-size))
	meta.block = make([]byte, size)
	if err := errors.Join(m.ReadFull(meta.block, off), m.ReadFull(tail, off+size)); err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(meta.block) != le32(tail[4:]) {
		return nil, errors.New("its checksum is wrong")
	}
	if meta.Version >= 2 {
		for e := range entries(tail[8:]) {
			meta.seal = seal(e)
			break
		}
	}
	return meta, meta.parse(off)
}

// parse takes over what the block says.
func (meta *metadata) parse(off int64) error {
	b := meta.block
	atHome := false
	for i := range meta.offsets {
		meta.offsets[i] = int64(le64(b[32+8*i:]))
		if meta.offsets[i] < 0 || meta.offsets[i] >= meta.size {
			return fmt.Errorf("it names a block at %d, outside of the volume", uint64(meta.offsets[i]))
		}
		atHome = atHome || meta.offsets[i] == off
	}
	if !atHome {
		return errors.New("it belongs to another place")
	}
	if meta.Version >= 2 {
		meta.Encrypted = int64(le64(b[16:]))
		meta.logSize = int64(le32(b[24:]))
		meta.headSize = int64(le32(b[28:])) * meta.boot.sectorSize
		meta.headAt = int64(le64(b[56:]))
	}
	set := b[blockHead:]
	size, start := int(le32(set)), int(le32(set[8:]))
	if size < datasetHead || size > len(set) || start < datasetHead || start > size {
		return errDamaged
	}
	meta.UUID = field.GUID(set[16:])
	meta.generation = le32(set[32:])
	meta.Method = Method(le16(set[36:]))
	meta.Created = filetime(le64(set[40:]))
	for e := range entries(set[start:size]) {
		meta.take(e)
	}
	return nil
}

// take takes over one of the entries.
func (meta *metadata) take(e entry) {
	switch {
	case e.role == forVMK && e.kind == isVMK:
		if len(meta.vmks) == protectorsMax {
			meta.problems = append(meta.problems, fmt.Sprintf("only the first %d of its protectors are tried", protectorsMax))
		}
		if len(meta.vmks) < protectorsMax && len(e.data) >= 28 {
			p, k := protector(e.data)
			meta.Protectors = append(meta.Protectors, p)
			meta.vmks = append(meta.vmks, k)
		}
	case e.role == forFVEK && meta.fvek == nil:
		meta.fvek = seal(e)
	case e.role == forDescription && e.kind == isText && meta.Description == "":
		meta.Description = field.UTF16(e.data)
	case e.role == forBootSectors && e.kind == isExtent && len(e.data) >= 16:
		meta.headAt, meta.headSize = int64(le64(e.data)), int64(le64(e.data[8:]))
	}
}

// protector returns what a copy of the master key says of itself.
func protector(b []byte) (Protector, vmk) {
	p := Protector{
		UUID:    field.GUID(b),
		Changed: filetime(le64(b[16:])),
		Type:    ProtectorType(le16(b[26:])) & protectorMask,
	}
	k := vmk{guid: p.UUID}
	for e := range entries(b[28:]) {
		switch {
		case e.kind == isText && p.Name == "":
			p.Name = field.UTF16(e.data)
		case e.kind == isStretched && len(e.data) >= 20:
			k.salt = e.data[4:20]
		case e.kind == isKey && len(e.data) > 4:
			k.clear = e.data[4:]
		case e.kind == isEncrypted && k.key == nil:
			k.key = seal(e)
		}
	}
	return p, k
}

// converting reports whether only a part of the volume is encrypted.
func (meta *metadata) converting() bool {
	return meta.State != Encrypted || len(meta.boot.onWrite) > 0
}
