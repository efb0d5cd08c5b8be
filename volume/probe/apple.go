package probe

import (
	"crypto/md5"
	"encoding/binary"
)

// probeHFS recognizes HFS, HFS+, and HFS+ embedded in an HFS wrapper:
// https://developer.apple.com/library/archive/technotes/tn/tn1150.html
func probeHFS(s *source) *Info {
	sb := s.at(1024, 512)
	switch {
	case sb.has(0, "H+"), sb.has(0, "HX"):
		return hfsPlus(s, 0)
	case !sb.has(0, "BD"):
		return nil
	}
	unit := uint64(sb.be32(20))
	start := int64(sb.be16(28)) * 512
	if unit < 512 || unit%512 != 0 {
		return nil
	}
	// A wrapper lets a Mac OS before 8.1, which knows only HFS, show a note about why it
	// cannot read the disk. What is inside is meant.
	if sb.has(124, "H+") || sb.has(124, "HX") {
		if info := hfsPlus(s, start+mul(uint64(sb.be16(126)), unit)); info != nil {
			return info
		}
	}
	return &Info{
		Type:      "hfs",
		Label:     label(sb.sub(37, int(min(sb.u8(36), 27)))),
		UUID:      appleUUID(sb.sub(116, 8)),
		BlockSize: int64(unit),
		Size:      start + mul(uint64(sb.be16(18)), unit) + 1024,
	}
}

// hfsPlus reads the volume header of an HFS+ volume that starts at base.
func hfsPlus(s *source, base int64) *Info {
	vh := s.at(base+1024, 512)
	if !vh.has(0, "H+") && !vh.has(0, "HX") {
		return nil
	}
	unit := uint64(vh.be32(40))
	if !power2(unit, 512, 1<<20) {
		return nil
	}
	return &Info{
		Type:      "hfsplus",
		Label:     hfsPlusLabel(s, base, vh, int64(unit)),
		UUID:      appleUUID(vh.sub(104, 8)),
		BlockSize: int64(unit),
		Size:      mul(uint64(vh.be32(44)), unit),
	}
}

// hfsPlusLabel returns the name of the root directory, the first record of the
// first leaf of the catalog.
func hfsPlusLabel(s *source, base int64, vh block, unit int64) string {
	const (
		catalogFork = 272 // in the volume header
		extents     = catalogFork + 16
		rootParent  = 1
		leaf        = 0xff
	)
	// at maps an offset in the catalog file. The eight extents in the header are enough:
	// the first leaf is near the beginning of any catalog.
	at := func(off int64, n int) block {
		for i := range 8 {
			start, count := int64(vh.be32(extents+8*i)), int64(vh.be32(extents+8*i+4))
			if off < count*unit {
				return s.at(base+start*unit+off, n)
			}
			off -= count * unit
		}
		return nil
	}
	header := at(0, 64)
	node, nodeSize := int64(header.be32(24)), int64(header.be16(32))
	if !power2(uint64(nodeSize), 512, 32<<10) {
		return ""
	}
	b := at(node*nodeSize, min(int(nodeSize), 1024))
	if b.u8(8) != leaf || b.be32(16) != rootParent {
		return ""
	}
	return label16(b.sub(22, 2*int(min(b.be16(20), 255))), binary.BigEndian)
}

// appleUUID makes a version 3 UUID of the 8 bytes in the finder's information, as
// macOS and blkid do.
func appleUUID(id block) string {
	if len(id) == 0 || id.zero() {
		return ""
	}
	namespace := []byte{0xb3, 0xe2, 0x0f, 0x39, 0xf2, 0x92, 0x11, 0xd6,
		0x97, 0xa4, 0x00, 0x30, 0x65, 0x43, 0xec, 0xac}
	sum := md5.Sum(append(namespace, id...))
	sum[6] = 0x30 | sum[6]&0x0f
	sum[8] = 0x80 | sum[8]&0x3f
	return uuid(sum[:])
}

// APFS: https://developer.apple.com/support/downloads/Apple-File-System-Reference.pdf
// What is found is the container; its volumes have names of their own.
func probeAPFS(s *source) *Info {
	const containerSuperblock = 1
	sb := s.at(0, 128)
	unit := uint64(sb.le32(36))
	if !sb.has(32, "NXSB") || sb.le16(24) != containerSuperblock || !power2(unit, 4096, 64<<10) {
		return nil
	}
	return &Info{
		Type:      "apfs",
		UUID:      uuid(sb.sub(72, 16)),
		BlockSize: int64(unit),
		Size:      mul(sb.le64(40), unit),
	}
}
