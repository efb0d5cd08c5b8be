package probe

import (
	"encoding/binary"
	"fmt"
)

// exFAT: https://learn.microsoft.com/en-us/windows/win32/fileio/exfat-specification
func probeExFAT(s *source) *Info {
	b := s.at(0, 512)
	if !b.has(3, "EXFAT   ") || b.le16(510) != 0xaa55 {
		return nil
	}
	sectorBits, clusterBits := b.u8(108), b.u8(109)
	if sectorBits < 9 || sectorBits > 12 || clusterBits > 25-sectorBits || !b.sub(11, 53).zero() {
		return nil
	}
	info := &Info{
		Type:      "exfat",
		UUID:      serial(b.le32(100)),
		Version:   fmt.Sprintf("%d.%d", b.u8(105), b.u8(104)),
		BlockSize: 1 << sectorBits,
		Size:      mul(b.le64(72), 1<<sectorBits),
	}
	fat := int64(b.le32(80)) << sectorBits
	heap := int64(b.le32(88)) << sectorBits
	clusters := b.le32(92)
	next := b.le32(96)
	// The root directory is a chain of clusters. A damaged one may run in a circle.
	for range fatMaxRootClusters {
		if next < 2 || uint64(next) >= uint64(clusters)+2 {
			break
		}
		size := 1 << (sectorBits + clusterBits)
		// The label comes early. A cluster of 32 MiB need not be read whole.
		dir := s.upTo(heap+int64(next-2)*int64(size), min(size, 128<<10))
		for off := 0; off+32 <= len(dir); off += 32 {
			switch e := dir[off : off+32]; e[0] {
			case 0: // the end
				return info
			case 0x83:
				n := min(int(e[1]), 11)
				info.Label = label16(e.sub(2, 2*n), binary.LittleEndian)
				return info
			}
		}
		entry := s.upTo(fat+int64(next)*4, 4)
		if entry == nil {
			break
		}
		next = entry.le32(0)
	}
	return info
}

// NTFS: https://docs.kernel.org/filesystems/ntfs3.html; the boot sector and the
// MFT are described by the linux-ntfs project.
func probeNTFS(s *source) *Info {
	b := s.at(0, 512)
	if !b.has(3, "NTFS    ") {
		return nil
	}
	sector := uint64(b.le16(11))
	if !power2(sector, 256, 4096) {
		return nil
	}
	// A FAT's fields are zero here.
	if !b.sub(14, 7).zero() || b.le16(22) != 0 || b.le32(32) != 0 {
		return nil
	}
	cluster := clusterSize(b.u8(13), sector)
	record := recordSize(b.u8(64), cluster)
	if !power2(cluster, sector, 2<<20) || !power2(record, 256, 64<<10) {
		return nil
	}
	info := &Info{
		Type:      "ntfs",
		UUID:      fmt.Sprintf("%016X", b.le64(72)),
		BlockSize: int64(sector),
		// The last sector, the second boot sector, is not counted.
		Size: mul(b.le64(40)+1, sector),
	}
	const volumeRecord = 3
	if start := mul(b.le64(48), cluster); start > 0 && start < s.size {
		info.Label = ntfsLabel(s.at(start+volumeRecord*int64(record), int(record)))
	}
	return info
}

// clusterSize decodes the size of a cluster in bytes: so many sectors or, since
// Windows 10's large clusters, if negative, a power of two of them.
func clusterSize(n uint8, sector uint64) uint64 {
	if n <= 128 {
		return uint64(n) * sector
	}
	return sector << min(256-uint(n), 31)
}

// recordSize decodes the size of an MFT record in bytes: so many clusters or, if
// negative, a power of two.
func recordSize(n uint8, cluster uint64) uint64 {
	if n < 128 {
		return uint64(n) * cluster
	}
	return 1 << min(256-uint(n), 31)
}

// ntfsLabel finds the volume name in the record of $Volume.
func ntfsLabel(rec block) string {
	const (
		volumeName = 0x60
		end        = 0xffffffff
	)
	if !rec.has(0, "FILE") {
		return ""
	}
	rec = unprotect(rec)
	for off := int(rec.le16(20)); off+24 <= len(rec); {
		kind, size := rec.le32(off), rec.le32(off+4)
		if kind == end || size < 24 || int64(size) > int64(len(rec)-off) {
			break
		}
		if kind == volumeName && rec.u8(off+8) == 0 {
			attr := rec.sub(off, int(size))
			value := attr.sub(int(attr.le16(20)), int(min(attr.le32(16), size)))
			return label16(value, binary.LittleEndian)
		}
		off += int(size)
	}
	return ""
}

// unprotect puts back the last two bytes of each 512, which NTFS keeps elsewhere
// so that a torn write shows.
func unprotect(rec block) block {
	out := append(block{}, rec...)
	array, count := int(rec.le16(4)), int(rec.le16(6))
	for i := 1; i < count; i++ {
		saved, at := rec.sub(array+2*i, 2), i*512-2
		if saved == nil || at+2 > len(out) {
			break
		}
		copy(out[at:], saved)
	}
	return out
}

// ReFS, of Windows servers. Its name is all that Microsoft has documented.
func probeReFS(s *source) *Info {
	if !s.has(0, "\x00\x00\x00ReFS\x00") {
		return nil
	}
	return &Info{Type: "ReFS"}
}

// probeStorageSpaces recognizes a disk of a pool of Windows Storage Spaces, for which blkid
// has no name. Microsoft has not published the format; the header is as
// https://github.com/gus33000/StorageSpace reads it.
func probeStorageSpaces(s *source) *Info {
	b := s.at(0, 4096)
	if !b.has(0, "SPACEDB ") {
		return nil
	}
	ids := b.sub(int(b.be16(8))*16, 32)
	return &Info{Type: "storage_spaces_member", UUID: guid(ids.sub(0, 16)), UUIDSub: guid(ids.sub(16, 16))}
}
