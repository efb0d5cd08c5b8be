package probe

import (
	"strings"
)

// FAT, as Microsoft's "FAT32 File System Specification" (2000) has it.
const (
	fat12Max = 0xff4
	fat16Max = 0xfff4
	fat32Max = 0x0ffffff6

	// A label's entry is the first in practice. These bound the search.
	fatMaxRootEntries  = 512 * 16
	fatMaxRootClusters = 64
)

// fat is what a boot sector says, checked.
type fat struct {
	boot      block
	sector    uint32 // bytes
	cluster   uint32 // sectors
	reserved  uint32 // sectors before the first FAT
	fatLen    uint32 // sectors of one FAT
	fats      uint32
	rootLen   uint32 // entries of a FAT12/16 root directory
	sectors   uint32 // in all
	clusters  uint32
	dataStart uint64 // sector of cluster 2
	is32      bool
}

// parseFAT checks strictly: in a boot sector that has no name in it, nothing but the
// numbers distinguishes it from a partition table or from another system's boot code.
func parseFAT(b block) *fat {
	named := b.has(0x52, "MSWIN") || b.has(0x52, "FAT32   ") || b.has(0x36, "MSDOS") ||
		b.has(0x36, "FAT16   ") || b.has(0x36, "FAT12   ") || b.has(0x36, "FAT     ")
	if !named {
		jump := b.u8(0) == 0xeb || b.u8(0) == 0xe9
		if b.le16(510) != 0xaa55 || !jump && b.u8(0) != 0 {
			return nil
		}
		// OS/2 puts a FAT-like sector before its other file systems.
		if b.has(0x36, "JFS     ") || b.has(0x36, "HPFS    ") {
			return nil
		}
	}
	if b.has(3, "NTFS    ") || b.has(3, "EXFAT   ") || b.has(3, "-FVE-FS-") {
		return nil
	}
	f := &fat{
		boot:     b,
		sector:   uint32(b.le16(11)),
		cluster:  uint32(b.u8(13)),
		reserved: uint32(b.le16(14)),
		fats:     uint32(b.u8(16)),
		rootLen:  uint32(b.le16(17)),
		sectors:  uint32(b.le16(19)),
		fatLen:   uint32(b.le16(22)),
	}
	if f.sectors == 0 {
		f.sectors = b.le32(32)
	}
	if f.fatLen == 0 {
		f.fatLen, f.is32 = b.le32(36), true
	}
	// The checks are the kernel's (fs/fat/inode.c): it would refuse any other.
	media := b.u8(21)
	if f.fats == 0 || f.reserved == 0 || f.fatLen == 0 || media < 0xf8 && media != 0xf0 ||
		!power2(uint64(f.sector), 512, 4096) || !power2(uint64(f.cluster), 1, 128) {
		return nil
	}
	rootSectors := (uint64(f.rootLen)*32 + uint64(f.sector) - 1) / uint64(f.sector)
	f.dataStart = uint64(f.reserved) + uint64(f.fatLen)*uint64(f.fats) + rootSectors
	if f.dataStart > uint64(f.sectors) {
		return nil
	}
	f.clusters = uint32((uint64(f.sectors) - f.dataStart) / uint64(f.cluster))
	most := uint32(fat16Max)
	if f.is32 {
		most = fat32Max
	}
	if f.clusters > most {
		return nil
	}
	return f
}

func probeVFAT(s *source) *Info {
	f := parseFAT(s.at(0, 512))
	if f == nil {
		return nil
	}
	info := &Info{
		Type:      "vfat",
		BlockSize: int64(f.sector),
		Size:      int64(f.sectors) * int64(f.sector),
	}
	ext := 38 // where the extended boot record begins: signature, serial, label
	switch {
	case f.is32:
		ext = 66
		info.Version = "FAT32"
		info.Label = f.label32(s)
	default:
		info.Version = "FAT16"
		if f.clusters < fat12Max {
			info.Version = "FAT12"
		}
		root := uint64(f.reserved) + uint64(f.fatLen)*uint64(f.fats)
		n := min(f.rootLen, fatMaxRootEntries) * 32
		info.Label, _ = fatLabel(s.upTo(mul(root, uint64(f.sector)), int(n)))
	}
	if sig := f.boot.u8(ext); sig == 0x28 || sig == 0x29 || f.is32 {
		info.UUID = serial(f.boot.le32(ext + 1))
	}
	return info
}

// label32 looks for the label in FAT32's root directory, which is a file.
func (f *fat) label32(s *source) string {
	fatStart := int64(f.reserved) * int64(f.sector)
	next := f.boot.le32(44)
	for range fatMaxRootClusters {
		if next < 2 || next >= f.clusters+2 {
			return ""
		}
		sector := f.dataStart + uint64(next-2)*uint64(f.cluster)
		dir := s.upTo(mul(sector, uint64(f.sector)), int(f.cluster*f.sector))
		name, end := fatLabel(dir)
		if end || dir == nil {
			return name
		}
		entry := s.upTo(fatStart+int64(next)*4, 4)
		if entry == nil {
			return ""
		}
		next = entry.le32(0) & 0x0fffffff
	}
	return ""
}

// fatLabel returns the name of the volume label entry in a piece of a directory,
// and whether there is no point in looking further.
func fatLabel(dir block) (name string, end bool) {
	const (
		volume   = 0x08
		longName = 0x0f
	)
	for off := 0; off+32 <= len(dir); off += 32 {
		e := dir[off : off+32]
		attr := e[11]
		switch {
		case e[0] == 0:
			return "", true
		case e[0] == 0xe5, attr&0x3f == longName:
			continue
		case attr&(volume|0x10) == volume && e.le16(20) == 0 && e.le16(26) == 0:
			name := []byte(e[:11])
			if name[0] == 0x05 {
				name[0] = 0xe5 // which as itself would mean a deleted entry
			}
			return strings.TrimRight(label(name), " "), true
		}
	}
	return "", false
}

// upTo is at for a range that may reach past the end of the device.
func (s *source) upTo(off int64, n int) block {
	if off < 0 || off >= s.size {
		return nil
	}
	return s.at(off, int(min(int64(n), s.size-off, maxRead)))
}
