package probe

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// File systems and volumes for raw flash. An image of one is recognized so that it can be
// named; it cannot be mounted from a block device, which has no erase blocks.

// The Unsorted Block Images of a whole chip, with volumes in it.
func probeUBI(s *source) *Info {
	hdr := s.at(0, 64)
	if !hdr.has(0, "UBI#") {
		return nil
	}
	return &Info{Type: "ubi", UUID: fmt.Sprint(hdr.be32(24)), Version: fmt.Sprint(hdr.u8(4))}
}

// UBIFS, in a volume of UBI. It begins with the superblock's node.
func probeUBIFS(s *source) *Info {
	const superblockNode = 6
	sb := s.at(0, 128)
	if sb.le32(0) != 0x06101831 || sb.u8(20) != superblockNode {
		return nil
	}
	return &Info{Type: "ubifs", UUID: uuid(sb.sub(108, 16)), Version: fmt.Sprintf("w%dr%d", sb.le32(80), sb.le32(124))}
}

// JFFS2 has no superblock, but nodes, in the byte order of the machine. Its magic has two
// bytes, which alone would be found in a lot of random data: the checksum decides.
func probeJFFS2(s *source) *Info {
	node := s.at(0, 12)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if node.number(0, 2, order) == 0x1985 && uint64(crc32le(0, node[:8])) == node.number(8, 4, order) {
			return &Info{Type: "jffs2"}
		}
	}
	return nil
}

// crc32le is the kernel's, which complements neither at the start nor at the end.
func crc32le(crc uint32, p []byte) uint32 { return ^crc32.Update(^crc, crc32.IEEETable, p) }

// ZoneFS shows the zones of a zoned disk as files.
func probeZoneFS(s *source) *Info {
	sb := s.at(0, 128)
	if !sb.has(0, "SFOZ") {
		return nil
	}
	return &Info{Type: "zonefs", Label: label(sb.sub(8, 32)), UUID: uuid(sb.sub(40, 16)), BlockSize: 4096}
}
