package probe

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// UDF: ECMA-167 for the structures, OSTA UDF for what is in them.
const (
	udfPrimaryVolume = 1
	udfAnchor        = 2
	udfPartition     = 5
	udfLogicalVolume = 6
	udfTerminator    = 8

	udfMaxDescriptors = 64
)

func probeUDF(s *source) *Info {
	small, large := udfRecognized(s, 2048), udfRecognized(s, 4096)
	if !small && !large {
		return nil
	}
	// Anchors at the end are tried last: with other sectors than those that count now
	// they may be an earlier file system's.
	for _, end := range []bool{false, true} {
		for _, sector := range []int64{512, 1024, 2048, 4096} {
			if sector <= 2048 && !small || sector == 4096 && !large {
				continue
			}
			places := []int64{256, 512}
			if end {
				places = []int64{s.size/sector - 257, s.size/sector - 1}
			}
			for _, lba := range places {
				a := s.at(lba*sector, 512)
				if !udfTag(a, udfAnchor, lba) {
					continue
				}
				if info := udfVolume(s, a, sector); info != nil {
					return info
				}
			}
		}
	}
	return nil
}

// udfRecognized looks for an NSR descriptor in the volume recognition sequence. Its
// descriptors are 2 KiB apart, or one sector where that is more.
func udfRecognized(s *source, step int64) bool {
	for i := range int64(16) {
		vsd := s.at(isoStart+i*step, 8)
		switch string(vsd.sub(1, 5)) {
		case "NSR02", "NSR03":
			return true
		case "BEA01", "BOOT2", "CD001", "CDW02", "TEA01":
			continue
		}
		break
	}
	return false
}

// udfTag checks a descriptor's tag: kind, place, and checksum.
func udfTag(d block, kind uint16, lba int64) bool {
	if len(d) < 16 || d.le16(0) != kind || int64(d.le32(12)) != lba {
		return false
	}
	var sum byte
	for i, c := range d[:16] {
		if i != 4 {
			sum += c
		}
	}
	return sum == d[4]
}

// udfVolume reads the volume descriptor sequence that an anchor points to.
func udfVolume(s *source, anchor block, sector int64) *Info {
	info := &Info{Type: "udf", BlockSize: sector}
	first, n := int64(anchor.le32(20)), int64(anchor.le32(16))/sector
	var volume, logical, part block
	// The sequence is ended by a terminator; a damaged one by what cannot be read.
	for lba := first; lba < first+min(n, udfMaxDescriptors); lba++ {
		d := s.at(lba*sector, 512)
		switch {
		case udfTag(d, udfPrimaryVolume, lba):
			volume = d
		case udfTag(d, udfPartition, lba):
			part = d
		case udfTag(d, udfLogicalVolume, lba):
			logical = d
		}
		if d == nil || udfTag(d, udfTerminator, lba) {
			break
		}
	}
	if logical == nil {
		return nil
	}
	info.Label = dstring(logical.sub(84, 128))
	rev := logical.le16(240)
	rev = max(rev, udfIntegrity(s, logical, sector))
	info.Version = fmt.Sprintf("%x.%02x", rev>>8, rev&0xff)
	if volume != nil {
		info.UUID = udfUUID(dstring(volume.sub(72, 128)))
	}
	info.Size = (int64(part.le32(188)) + int64(part.le32(192))) * sector
	return info
}

// udfIntegrity returns the revision that a reader needs, from the logical volume's
// integrity descriptor, or 0.
func udfIntegrity(s *source, logical block, sector int64) uint16 {
	lba := int64(logical.le32(436))
	d := s.at(lba*sector, 512)
	if !udfTag(d, 9, lba) {
		return 0
	}
	partitions := d.le32(72)
	if partitions > 16 {
		return 0
	}
	use := 80 + int(partitions)*8 // the implementation use, which begins with a 32-byte name
	return max(d.le16(use+40), d.le16(use+42))
}

// dstring decodes OSTA compressed Unicode: one byte says 8 or 16 bits, the last
// one the length.
func dstring(b block) string {
	if len(b) < 2 {
		return ""
	}
	n := min(int(b[len(b)-1]), len(b)-1)
	if n < 1 {
		return ""
	}
	switch text := b[1:n]; b[0] {
	case 8, 254:
		units := make([]uint16, len(text))
		for i, c := range text {
			units[i] = uint16(c)
		}
		return trim(strings.TrimRight(string(utf16.Decode(units)), "\x00"))
	case 16, 255:
		return label16(text, binary.BigEndian)
	}
	return ""
}

// udfUUID derives the UUID from the beginning of the volume set's name, which
// should be random hexadecimal digits: as they are if so, else what is needed
// of them as the codes of the characters.
func udfUUID(set string) string {
	if len(set) < 8 {
		return ""
	}
	set = set[:min(len(set), 16)]
	hex := strings.IndexFunc(set, func(r rune) bool {
		return !strings.ContainsRune("0123456789abcdefABCDEF", r)
	})
	if hex < 0 {
		hex = len(set)
	}
	switch {
	case hex < 8:
		return fmt.Sprintf("%x", set[:8])
	case hex < 16:
		rest := [4]byte{}
		copy(rest[:], set[8:])
		return strings.ToLower(set[:8]) + fmt.Sprintf("%x", rest)
	}
	return strings.ToLower(set)
}
