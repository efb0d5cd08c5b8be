package part

import (
	"io"
	"strings"
)

// Foreign names the partition table of a disk that has none which [Read] knows, as
// blkid(8) does ("sgi", "sun", "mac", "bsd", "atari") or, for the Amiga's, as parted(8)
// does ("amiga"). It is "" if there is none, or if the disk cannot be read. The partitions
// themselves are read by the kernel, which has a parser for each of these.
func Foreign(r io.ReaderAt, size int64) string {
	d := &disk{r: r, size: size}
	if d.readHead() != nil {
		return ""
	}
	for _, t := range []struct {
		name string
		is   func([]byte) bool
	}{{"sgi", isSGI}, {"sun", isSun}, {"mac", isMac}, {"bsd", isBSD}, {"amiga", isAmiga}, {"atari", func(b []byte) bool { return isAtari(b, size) }}} {
		if len(d.head) >= 512 && t.is(d.head) {
			return t.name
		}
	}
	return ""
}

// isSGI looks for a volume header of IRIX. The sum of all its words is 0.
func isSGI(b []byte) bool {
	var sum uint32
	for i := 0; i < 512; i += 4 {
		sum += be.Uint32(b[i:])
	}
	return be.Uint32(b) == 0x0be5a941 && sum == 0
}

// isSun looks for a label of SunOS. Its words add up to 0 without carry.
func isSun(b []byte) bool {
	var sum uint16
	for i := 0; i < 512; i += 2 {
		sum ^= be.Uint16(b[i:])
	}
	return be.Uint16(b[508:]) == 0xdabe && sum == 0
}

// isMac looks for an Apple partition map: the driver descriptor, and the map's first
// entry one block of it further.
func isMac(b []byte) bool {
	block := int(be.Uint16(b[2:]))
	if string(b[:2]) != "ER" || block < 512 || block > 4096 || block&(block-1) != 0 || len(b) < block+2 {
		return false
	}
	magic := string(b[block : block+2])
	return magic == "PM" || magic == "TS"
}

// isBSD looks for a disklabel on the whole disk, at one of the two places in use.
func isBSD(b []byte) bool {
	const magic = 0x82564557
	for _, off := range []int{512, 64, 0, 128} {
		if len(b) >= off+148 && le.Uint32(b[off:]) == magic && le.Uint32(b[off+132:]) == magic {
			return true
		}
	}
	return false
}

// isAmiga looks for a rigid disk block, which is in one of the first 16 sectors. Its words
// add up to 0.
func isAmiga(b []byte) bool {
	for off := 0; off < 16*512 && off+512 <= len(b); off += 512 {
		words := int(be.Uint32(b[off+4:]))
		if string(b[off:off+4]) != "RDSK" || words <= 0 || words > 128 {
			continue
		}
		var sum uint32
		for i := range words {
			sum += be.Uint32(b[off+4*i:])
		}
		if sum == 0 {
			return true
		}
	}
	return false
}

// isAtari looks for a root sector of an Atari's hard disk. It has no magic: one of the four
// entries must be of a type that there is, and all that are used must lie on the disk.
func isAtari(b []byte, size int64) bool {
	sectors := uint64(size / 512)
	if b[510] == 0x55 && b[511] == 0xaa || uint64(be.Uint32(b[0x1c2:])) > sectors {
		return false
	}
	used := 0
	for i := range 4 {
		e := b[0x1c6+12*i:]
		if e[0]&1 == 0 {
			continue
		}
		id := string(e[1:4])
		start, length := uint64(be.Uint32(e[4:])), uint64(be.Uint32(e[8:]))
		if !strings.Contains("GEM BGM LNX SWP RAW XGM", id) || strings.Contains(id, " ") || start == 0 || length == 0 || start+length > sectors {
			return false
		}
		used++
	}
	return used > 0
}
