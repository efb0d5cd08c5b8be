package relabel

import (
	"encoding/binary"
	"hash/crc32"
)

// The superblock of ext2, ext3 and ext4: the kernel's
// Documentation/filesystems/ext4/super.rst.
const (
	extOffset = 1024
	extSize   = 1024

	extMagic      = 56
	extRevision   = 76
	extROCompat   = 100
	extIncompat   = 96
	extUUID       = 104
	extLabel      = 120
	extChecksum   = 1020
	extGDTCsum    = 0x10   // of extROCompat
	extMetaCsum   = 0x400  // of extROCompat
	extJournalDev = 0x8    // of extIncompat
	extCsumSeed   = 0x2000 // of extIncompat
)

// editExt changes the superblock. Its copies in other groups are for repair, and keep the
// old label, as tune2fs(8) leaves them. A superblock whose checksum is wrong is refused:
// to write a right one into it would hide the damage from e2fsck.
func editExt(d Device, f func(sb []byte) error) error {
	sb := make([]byte, extSize)
	if err := readFull(d, sb, extOffset); err != nil {
		return err
	}
	if binary.LittleEndian.Uint16(sb[extMagic:]) != 0xef53 || binary.LittleEndian.Uint32(sb[extRevision:]) == 0 {
		return ErrCorrupt
	}
	summed := binary.LittleEndian.Uint32(sb[extROCompat:])&extMetaCsum != 0
	if summed && binary.LittleEndian.Uint32(sb[extChecksum:]) != extSum(sb) {
		return ErrCorrupt
	}
	if err := f(sb); err != nil {
		return err
	}
	if summed {
		binary.LittleEndian.PutUint32(sb[extChecksum:], extSum(sb))
	}
	_, err := d.WriteAt(sb, extOffset)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// extSum is the kernel's crc32c, which does not invert its result.
func extSum(sb []byte) uint32 { return ^crc32.Checksum(sb[:extChecksum], castagnoli) }

func setExtLabel(d Device, label string) error {
	b, err := label16(label)
	if err != nil {
		return err
	}
	return editExt(d, func(sb []byte) error {
		copy(sb[extLabel:], b[:])
		return nil
	})
}

func setExtUUID(d Device, id [16]byte) error {
	return editExt(d, func(sb []byte) error {
		ro, in := binary.LittleEndian.Uint32(sb[extROCompat:]), binary.LittleEndian.Uint32(sb[extIncompat:])
		switch {
		case in&extJournalDev != 0:
			return ErrType // those who use it have its UUID
		case ro&(extMetaCsum|extGDTCsum) == 0:
		case ro&extMetaCsum != 0 && in&extCsumSeed != 0:
			// The seed that checksums start from is stored, so they survive.
		default:
			// The seed is the UUID itself: each inode, directory and group would have to
			// be written again.
			return ErrChecksums
		}
		copy(sb[extUUID:], id[:])
		return nil
	})
}
