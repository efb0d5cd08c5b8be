package probe

import (
	"encoding/binary"
	"fmt"
)

// UFS 1 and 2 of the BSDs and their relatives, in either byte order. Where the superblock
// is depends on the version and on what the disk was made for; the order of looking is
// the BSD kernels', except for the last place, which costs a read of its own.
func probeUFS(s *source) *Info {
	for _, off := range []int64{8 << 10, 64 << 10, 0} {
		if info := ufs(s.at(off, 1376)); info != nil {
			return info
		}
	}
	return nil
}

// probeUFSFar looks at the last of the places where a superblock may be.
func probeUFSFar(s *source) *Info { return ufs(s.at(256<<10, 1376)) }

func ufs(sb block) *Info {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := func(off int) uint64 { return sb.number(off, 4, order) }
		info := &Info{Type: "ufs"}
		switch n(1372) {
		case 0x00011954, 0x00095014, 0x00195612, 0x05231994, 0x00095012:
			info.Version = "1"
		case 0x19540119:
			info.Version = "2"
			info.Label = label(sb.sub(680, 32))
		default:
			continue
		}
		block, frag := n(48), n(52)
		if !power2(frag, 512, 64<<10) || !power2(block, frag, 64<<10) {
			continue
		}
		frags := n(36)
		if info.Version == "2" {
			frags = sb.number(1080, 8, order)
		}
		info.BlockSize = int64(frag)
		info.Size = mul(frags, frag)
		if id := [2]uint64{n(144), n(148)}; id != [2]uint64{} {
			info.UUID = fmt.Sprintf("%08x%08x", id[0], id[1])
		}
		return info
	}
	return nil
}
