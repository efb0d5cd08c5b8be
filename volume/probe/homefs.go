package probe

import (
	"encoding/binary"
	"fmt"
)

// File systems of home computers, desktops and players.

// AmigaDOS. The boot block says which variant it is, and the root block is in the middle
// of the volume. The size of blocks is not written anywhere, so each that there is gets
// a try.
func probeAFFS(s *source) *Info {
	boot := s.at(0, 4)
	if !boot.has(0, "DOS") || boot.u8(3) > 7 {
		return nil
	}
	for size := int64(512); size <= 4096; size *= 2 {
		const reserved = 2
		root := s.at((reserved+s.size/size-1)/2*size, int(size))
		n := len(root)
		if n == 0 || root.be32(0) != 2 || root.be32(n-4) != 1 || int64(root.be32(12)) != size/4-56 {
			continue
		}
		version := "OFS"
		if boot.u8(3)&1 != 0 {
			version = "FFS"
		}
		name := root.sub(n-79, int(min(root.u8(n-80), 30)))
		return &Info{Type: "affs", Label: label(name), Version: version, BlockSize: size, Size: s.size / size * size}
	}
	return nil
}

// BeOS and Haiku, in either byte order, behind a boot sector or not.
func probeBeFS(s *source) *Info {
	for _, off := range []int64{0, 512} {
		sb := s.at(off, 160)
		for order, version := range map[binary.ByteOrder]string{
			binary.LittleEndian: "little-endian", binary.BigEndian: "big-endian",
		} {
			n := func(off, size int) uint64 { return sb.number(off, size, order) }
			if n(32, 4) != 0x42465331 || n(68, 4) != 0xdd121031 || n(112, 4) != 0x15b6830e || n(36, 4) != 0x42494745 {
				continue
			}
			shift := n(44, 4)
			if shift < 10 || shift > 13 || n(40, 4) != 1<<shift {
				continue
			}
			return &Info{
				Type: "befs", Label: label(sb.sub(0, 32)), Version: version,
				UUID:      befsID(s, sb, order),
				BlockSize: 1 << shift, Size: mul(n(48, 8), 1<<shift),
			}
		}
	}
	return nil
}

// befsID returns the volume's number, an attribute of the root directory that is in its
// inode.
func befsID(s *source, sb block, order binary.ByteOrder) string {
	const (
		inode = 232 // bytes before the small attributes
		name  = "be:volume_id"
	)
	shift := sb.number(44, 4, order)
	group, start := sb.number(116, 4, order), sb.number(120, 2, order)
	if sb.number(76, 4, order) > 32 {
		return ""
	}
	root := s.at(mul(group<<sb.number(76, 4, order)+start, 1<<shift), 1<<shift)
	if root.number(0, 4, order) != 0x3bbe0ad9 {
		return ""
	}
	for off := inode; off+8 <= len(root); {
		nameLen, size := int(root.number(off+4, 2, order)), int(root.number(off+6, 2, order))
		if nameLen == 0 {
			break
		}
		if root.has(off+8, name+"\x00") && nameLen == len(name) && size == 8 {
			if id := root.number(off+8+nameLen+3, 8, order); id != 0 {
				return fmt.Sprintf("%016x", id)
			}
		}
		off += 8 + nameLen + 3 + size + 1
	}
	return ""
}

// OS/2's HPFS.
func probeHPFS(s *source) *Info {
	sb, spare := s.at(8<<10, 512), s.at(8<<10+512, 512)
	if sb.le32(0) != 0xf995e849 || sb.le32(4) != 0xfa53e9c5 || spare.le32(0) != 0xf9911849 {
		return nil
	}
	info := &Info{Type: "hpfs", Version: fmt.Sprint(sb.u8(8)), BlockSize: 512, Size: int64(sb.le32(16)) * 512}
	if boot := s.at(0, 512); boot.le16(510) == 0xaa55 && boot.has(54, "HPFS") && boot.u8(38) == 0x28 {
		info.Label, info.UUID = label(boot.sub(43, 11)), serial(boot.le32(39))
	}
	return info
}

// The Optimized MPEG File System of some music players and television recorders.
func probeOMFS(s *source) *Info {
	sb := s.at(0, 512)
	size := uint64(sb.be32(276))
	if sb.be32(272) != 0xc2993d87 || !power2(size, 512, 64<<10) {
		return nil
	}
	return &Info{Type: "omfs", BlockSize: int64(size), Size: mul(sb.be64(264), size)}
}
