package probe

import (
	"encoding/binary"
	"fmt"
)

// ZFS keeps four labels of 256 KiB, each with a list of names and values (the
// vdev's place in its pool) and 128 KiB of uberblocks. Only the first label is
// looked at: where it was overwritten, something else lives now.
func probeZFS(s *source) *Info {
	const (
		list       = 16 << 10
		uberblocks = 128 << 10
		listSize   = 48 << 10 // what of the list's 112 KiB is looked through
		wanted     = 4        // valid uberblocks, fewer of which blkid takes for leftovers
	)
	nv := s.at(list, listSize)
	if nv == nil || nv[0] != 1 || nv[1] > 1 { // XDR, written on a little- or big-endian host
		return nil
	}
	info := &Info{Type: "zfs_member", Usage: Filesystem}
	zfsLabel(nv, info)
	if info.UUID == "" {
		return nil
	}
	ring := s.at(uberblocks, 128<<10)
	found := 0
	for off := 0; off < len(ring); off += 1024 {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if ring.number(off, 8, order) == 0x00bab10c {
				info.Version = fmt.Sprint(ring.number(off+8, 8, order))
				found++
			}
		}
	}
	if found < wanted {
		return nil
	}
	return info
}

// zfsLabel picks the names out of the list: an XDR sequence of pairs, each
// beginning with its encoded length.
func zfsLabel(nv block, info *Info) {
	const (
		header = 4 + 8 // encoding, then version and flags
		number = 8
		text   = 9
		list   = 19
	)
	for off := header; off+20 <= len(nv); {
		size := int(nv.be32(off))
		if size < 20 || size > len(nv)-off {
			return
		}
		pair := nv.sub(off, size)
		off += size
		nameLen := int(pair.be32(8))
		if nameLen > 64 {
			continue
		}
		name := string(pair.sub(12, nameLen))
		value := 12 + (nameLen+3)&^3 // type, count, value
		switch kind := pair.be32(value); {
		case kind == text && name == "name":
			info.Label = label(pair.sub(value+12, min(int(pair.be32(value+8)), 256)))
		case kind == number && name == "guid":
			info.UUIDSub = fmt.Sprint(pair.be64(value + 8))
		case kind == list && name == "vdev_tree":
			// What is in it follows, after a header of its own.
			off += value + 16 - size
		case kind == number && name == "ashift":
			if bits := pair.be64(value + 8); bits < 32 {
				info.BlockSize = 1 << bits
			}
		case kind == number && name == "pool_guid":
			info.UUID = fmt.Sprint(pair.be64(value + 8))
		}
	}
}
