package probe

import (
	"encoding/binary"
	"fmt"
)

// File systems of other Unixes and of the machines of their time.

// UnixWare's VxFS (Veritas), little-endian at 1 KiB, and HP-UX's, big-endian at 8 KiB.
func probeVxFS(s *source) *Info {
	const magic = 0xa501fcf5
	sb := s.at(1024, 64)
	var order binary.ByteOrder = binary.LittleEndian
	if sb.le32(0) != magic {
		sb, order = s.at(8192, 64), binary.BigEndian
		if sb.be32(0) != magic {
			return nil
		}
	}
	size := sb.number(32, 4, order)
	if !power2(size, 512, 64<<10) {
		return nil
	}
	return &Info{
		Type: "vxfs", Version: fmt.Sprint(sb.number(4, 4, order)), BlockSize: int64(size),
		Size: mul(sb.number(36, 4, order), size),
	}
}

// SCO's Boot File System.
func probeBFS(s *source) *Info {
	const block = 512
	sb := s.at(0, block)
	start, end := sb.le32(4), sb.le32(8)
	if sb.le32(0) != 0x1badface || start < block || end <= start {
		return nil
	}
	return &Info{Type: "bfs", Size: int64(end) + 1}
}

// SGI's Extent File System. On a CD it is in a partition.
func probeEFS(s *source) *Info {
	sb := s.at(512, 128)
	if magic := sb.be32(28); magic != 0x00072959 && magic != 0x0007295a {
		return nil
	}
	return &Info{Type: "efs", Label: label(sb.sub(32, 6)), BlockSize: 512, Size: int64(sb.be32(0)) * 512}
}

// QNX 4. It has no magic: it is recognized by the entry of the root directory, in the
// second block.
func probeQNX4(s *source) *Info {
	const directory, used = 0x4000, 1
	root := s.at(512, 64)
	if !root.has(0, "/") || !root.sub(1, 15).zero() || root.le16(50)&0xf000 != directory || root.u8(63)&used == 0 {
		return nil
	}
	return &Info{Type: "qnx4", BlockSize: 512}
}

// QNX 6, in either byte order, after a boot block of 8 KiB or, in the variant of the Audi
// MMI, without one.
func probeQNX6(s *source) *Info {
	const magic = 0x68191122
	for _, off := range []int64{8 << 10, 0} {
		sb := s.at(off, 128)
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			size := sb.number(48, 4, order)
			if sb.number(0, 4, order) != magic || !power2(size, 512, 32<<10) {
				continue
			}
			return &Info{Type: "qnx6", UUID: uuid(sb.sub(32, 16)), BlockSize: int64(size)}
		}
	}
	return nil
}

// The file systems of System V and its relatives, which Linux no longer mounts.
func probeSystemV(s *source) *Info {
	for _, off := range []int64{512, 9<<10 + 512, 15<<10 + 512, 18<<10 + 512} {
		sb := s.at(off, 512)
		if sb.le32(504) == 0xfd187e20 || sb.be32(504) == 0xfd187e20 {
			return &Info{Type: "sysv", Label: label(sb.sub(440, 6))}
		}
	}
	xenix := s.at(2048-8, 8)
	if xenix.le32(0) == 0x002b5544 || xenix.be32(0) == 0x002b5544 {
		return &Info{Type: "xenix"}
	}
	return nil
}
