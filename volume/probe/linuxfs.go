package probe

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// XFS: https://www.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf
func probeXFS(s *source) *Info {
	sb := s.at(0, 512)
	exfs := sb.has(0, "EXFS") // SGI's variant for its clusters
	if !sb.has(0, "XFSB") && !exfs {
		return nil
	}
	blockSize, sectorSize := uint64(sb.be32(4)), uint64(sb.be16(102))
	if !power2(blockSize, 512, 64<<10) || !power2(sectorSize, 512, 32<<10) || sb.be32(88) == 0 {
		return nil
	}
	info := &Info{
		Type:      "xfs",
		Label:     label(sb.sub(108, 12)),
		UUID:      uuid(sb.sub(32, 16)),
		BlockSize: int64(sectorSize),
		Size:      mul(sb.be64(8), blockSize),
	}
	if exfs {
		info.Type, info.BlockSize = "exfs", int64(blockSize)
	}
	if sb.be64(48) == 0 { // where its log begins
		info.Journal = info.UUID
	}
	return info
}

// Btrfs: https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html
func probeBtrfs(s *source) *Info {
	const devItem = 0xc9
	sb := s.at(64<<10, 4096)
	if !sb.has(0x40, "_BHRfS_M") {
		return nil
	}
	sector := uint64(sb.le32(0x90))
	if !power2(sector, 512, 64<<10) {
		return nil
	}
	info := &Info{
		Type:      "btrfs",
		Label:     label(sb.sub(0x12b, 256)),
		UUID:      uuid(sb.sub(0x20, 16)),
		UUIDSub:   uuid(sb.sub(devItem+66, 16)),
		BlockSize: int64(sector),
		Size:      mul(sb.le64(devItem+8), 1),
	}
	if n := sb.le64(0x88); n > 1 && n < 1<<16 {
		info.Devices = int(n)
	}
	if n := sb.le64(devItem); n < 1<<31 {
		info.Device = int(n)
	}
	const seeding = 1 << 32
	info.Seed = sb.le64(0x38)&seeding != 0
	return info
}

// F2FS: https://docs.kernel.org/filesystems/f2fs.html
func probeF2FS(s *source) *Info {
	sb := s.at(1024, 2048)
	bits := sb.le32(16)
	if sb.le32(0) != 0xf2f52010 || bits < 9 || bits > 16 {
		return nil
	}
	return &Info{
		Type:      "f2fs",
		Label:     label16(sb.sub(124, 1024), binary.LittleEndian),
		UUID:      uuid(sb.sub(108, 16)),
		Version:   fmt.Sprintf("%d.%d", sb.le16(4), sb.le16(6)),
		BlockSize: 1 << bits,
		Size:      mul(sb.le64(36), 1<<bits),
	}
}

// JFS: https://jfs.sourceforge.net/project/pub/jfslayout.pdf
func probeJFS(s *source) *Info {
	sb := s.at(32<<10, 184)
	bits, physBits := sb.le16(20), sb.le16(28)
	if !sb.has(0, "JFS1") || bits > 16 || physBits > 16 ||
		sb.le32(16) != 1<<bits || sb.le32(24) != 1<<physBits {
		return nil
	}
	size := mul(sb.le64(8), 1<<physBits)
	// The space for fsck and the journal follow the rest. Each is a length of 24 bits and
	// an address of 40, in blocks.
	for _, off := range []int{72, 80} {
		word, low := sb.le32(off), sb.le32(off+4)
		n, addr := uint64(word&0xffffff), uint64(word>>24)<<32|uint64(low)
		size = max(size, mul(addr+n, 1<<bits))
	}
	return &Info{
		Type:      "jfs",
		Label:     label(sb.sub(152, 16)),
		UUID:      uuid(sb.sub(136, 16)),
		BlockSize: 1 << bits,
		Size:      size,
	}
}

// NILFS2 keeps a second superblock in the last whole 4 KiB but one block; the
// newer of the two counts: https://docs.kernel.org/filesystems/nilfs2.html
func probeNilfs2(s *source) *Info {
	first := nilfsValid(s.at(1024, 1024))
	second := nilfsValid(s.at((s.size>>12-1)<<12, 1024))
	sb := first
	if first == nil || second != nil && second.le64(56) > first.le64(56) {
		sb = second
	}
	if sb == nil {
		return nil
	}
	bits := sb.le32(20)
	if bits > 6 {
		return nil
	}
	return &Info{
		Type:      "nilfs2",
		Label:     label(sb.sub(168, 80)),
		UUID:      uuid(sb.sub(152, 16)),
		Version:   fmt.Sprint(sb.le32(0)),
		BlockSize: 1024 << bits,
		Size:      mul(sb.le64(32), 1),
	}
}

// nilfsValid returns the superblock if it is one. Two bytes of magic would not be
// enough without the checksum.
func nilfsValid(sb block) block {
	const sum = 16
	size := int(sb.le16(8))
	if sb.le16(6) != 0x3434 || size < sum+4 || size > len(sb) {
		return nil
	}
	// The kernel's crc32_le, which does not complement.
	crc := ^sb.le32(12)
	crc = crc32.Update(crc, crc32.IEEETable, sb[:sum])
	crc = crc32.Update(crc, crc32.IEEETable, make([]byte, 4))
	crc = crc32.Update(crc, crc32.IEEETable, sb[sum+4:size])
	if ^crc != sb.le32(sum) {
		return nil
	}
	return sb
}

// ReiserFS and Reiser4.
func probeReiserfs(s *source) *Info {
	for _, off := range []int64{64 << 10, 8 << 10} {
		sb := s.at(off, 256)
		info := &Info{
			Type:      "reiserfs",
			Label:     label(sb.sub(100, 16)),
			UUID:      uuid(sb.sub(84, 16)),
			BlockSize: int64(sb.le16(44)),
		}
		switch {
		case sb.has(52, "ReIsErFs"):
			// The first version knew neither.
			info.Version, info.Label, info.UUID = "3.5", "", ""
		case sb.has(52, "ReIsEr2Fs"):
			info.Version = "3.6"
		case sb.has(52, "ReIsEr3Fs"):
			info.Version = "JR"
		case sb.has(0, "ReIsEr4"):
			return &Info{Type: "reiser4", Version: "4", Label: label(sb.sub(36, 16)), UUID: uuid(sb.sub(20, 16)),
				BlockSize: int64(sb.le16(18))}
		default:
			continue
		}
		if !power2(uint64(info.BlockSize), 512, 64<<10) {
			continue
		}
		info.Size = mul(uint64(sb.le32(0)), uint64(info.BlockSize))
		return info
	}
	return nil
}

// Minix, three versions in either byte order. The magic is short, so the sizes
// must fit each other.
func probeMinix(s *source) *Info {
	sb := s.at(1024, 64)
	if sb == nil || s.head.le16(1024+56) == 0xef53 { // ext may have anything here
		return nil
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := func(off, size int) uint64 { return sb.number(off, size, order) }
		info := &Info{Type: "minix", BlockSize: 1024}
		inodes, imap, zmap, first, zoneBits := n(0, 2), n(4, 2), n(6, 2), n(8, 2), n(10, 2)
		var zones uint64
		switch magic := n(16, 2); {
		case magic == 0x137f || magic == 0x138f:
			info.Version, zones = "1", n(2, 2)
		case magic == 0x2468 || magic == 0x2478:
			info.Version, zones = "2", n(20, 4)
		case n(24, 2) == 0x4d5a:
			info.Version, zones = "3", n(20, 4)
			inodes, imap, zmap, first, zoneBits = n(0, 4), n(6, 2), n(8, 2), n(10, 2), n(12, 2)
			info.BlockSize = int64(n(28, 2))
		default:
			continue
		}
		bitsPerBlock := uint64(info.BlockSize) * 8
		if !power2(uint64(info.BlockSize), 1024, 64<<10) || zoneBits != 0 || inodes == 0 || first >= zones ||
			imap*bitsPerBlock < inodes+1 || zmap*bitsPerBlock < zones-first+1 {
			continue
		}
		info.Size = mul(zones, uint64(info.BlockSize))
		return info
	}
	return nil
}

// The magics of bcache and of the file system that came of it.
const (
	bcacheMagic   = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"
	bcachefsMagic = "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef"
)

// Bcachefs: https://bcachefs.org/bcachefs-principles-of-operation.pdf
func probeBcachefs(s *source) *Info {
	sb := s.at(4096, 512)
	// The first versions had bcache's magic.
	if !sb.has(24, bcachefsMagic) && !sb.has(24, bcacheMagic) || sb.le64(104) != 8 {
		return nil
	}
	version := sb.le16(16)
	return &Info{
		Type:      "bcachefs",
		Label:     label(sb.sub(72, 32)),
		UUID:      uuid(sb.sub(56, 16)),
		Version:   fmt.Sprintf("%d.%d", version>>10, version&(1<<10-1)),
		BlockSize: int64(sb.le16(120)) * 512,
		Devices:   int(sb.u8(123)),
	}
}

// Bcache: a cache or what is cached, not yet put together. In a backing device
// the cached data begins 8 KiB in.
func probeBcache(s *source) *Info {
	sb := s.at(4096, 512)
	if !sb.has(24, bcacheMagic) || sb.le64(8) != 8 || sb.le64(16) > 16 {
		return nil
	}
	return &Info{
		Type:    "bcache",
		Label:   label(sb.sub(72, 32)),
		UUID:    uuid(sb.sub(40, 16)),
		Version: fmt.Sprint(sb.le64(16)),
	}
}
