package probe

import (
	"fmt"
)

// The RAID of firmware ("fake RAID", "BIOS RAID"): a controller's or a mainboard's
// firmware and the driver of the operating system divide the work. The metadata are
// near the end of the disks, and what the array holds begins where each disk begins,
// so that one half of a mirror looks like a disk of its own.
//
// Only whole disks have them: what ends a last partition also ends the disk, and would be
// found twice.

// firmware are the formats in blkid's order.
var firmware = []struct {
	name  string
	at    []int64 // in sectors of 512 bytes from the end
	size  int     // bytes that check looks at
	check func(sb block) (version string, ok bool)
}{
	{"isw_raid_member", []int64{2, 16}, 32, checkISW},
	{"lsi_mega_raid_member", []int64{1}, 6, func(b block) (string, bool) { return "", b.has(0, "$XIDE$") }},
	{"via_raid_member", []int64{1}, 51, checkVIA},
	{"silicon_medley_raid_member", []int64{1}, 512, checkSilicon},
	{"nvidia_raid_member", []int64{2}, 120, checkNvidia},
	{"promise_fasttrack_raid_member", []int64{63, 255, 256, 16}, 24, checkPromise},
	{"hpt45x_raid_member", []int64{11}, 4, func(b block) (string, bool) { return "", highPoint(b, 0xf3) }},
	{"adaptec_raid_member", []int64{1}, 272, checkAdaptec},
	{"jmicron_raid_member", []int64{1}, 128, checkJMicron},
}

// promiseFar are the further places, which depend on the geometry that a BIOS gave the
// disk. They take reads of their own, and only a disk that a BIOS starts from has them.
var promiseFar = []int64{399, 591, 675, 735, 911, 974, 991, 951, 3087}

func probeFirmware(s *source) *Info {
	sectors := s.size / 512
	for i := range firmware {
		f := &firmware[i]
		for _, n := range f.at {
			off := (sectors - n) * 512
			sb := s.at(off, f.size)
			if sb == nil {
				continue
			}
			if version, ok := f.check(sb); ok {
				return &Info{Type: f.name, Version: version, DataEnd: off}
			}
		}
	}
	if s.head.le16(510) == 0xaa55 && !s.head.sub(446, 64).zero() {
		for _, n := range promiseFar {
			off := (sectors - n) * 512
			if _, ok := checkPromise(s.at(off, 24)); ok {
				return &Info{Type: "promise_fasttrack_raid_member", DataEnd: off}
			}
		}
	}
	// The one that lies in front, between the partition table and the partitions.
	if highPoint(s.at(9*512+32, 4), 0xf0) {
		return &Info{Type: "hpt37x_raid_member", DataEnd: s.size}
	}
	return nil
}

// Intel's, of Rapid Storage Technology and mdadm: the last sector but one, of 512 or
// 4096 bytes.
func checkISW(b block) (string, bool) {
	const signature = "Intel Raid ISM Cfg Sig. "
	return label(b.sub(len(signature), 6)), b.has(0, signature)
}

func checkVIA(b block) (string, bool) {
	var sum uint8
	for _, c := range b[:50] {
		sum += c
	}
	return fmt.Sprint(b.u8(2)), b.le16(0) == 0xaa55 && b.u8(2) <= 2 && sum == b.u8(50)
}

func checkSilicon(b block) (string, bool) {
	const sum1 = 0x13e
	var sum uint16
	for off := 0; off < sum1; off += 2 {
		sum -= b.le16(off)
	}
	return fmt.Sprintf("%d.%d", b.le16(0x10a), b.le16(0x108)),
		b.le32(0x60) == 0x2f000000 && b.u8(0x116) < 8 && sum == b.le16(sum1)
}

func checkNvidia(b block) (string, bool) {
	var sum uint32
	for off := 0; off < len(b); off += 4 {
		sum += b.le32(off)
	}
	return fmt.Sprint(b.le16(16)), b.has(0, "NVIDIA") && b.le32(8) == uint32(len(b)/4) && sum == 0
}

func checkPromise(b block) (string, bool) { return "", b.has(0, "Promise Technology, Inc.") }

// highPoint's magic ends otherwise for a disk of a broken array.
func highPoint(b block, good uint8) bool {
	const broken = 0xfd
	return b.has(1, "\x16\x78\x5a") && (b.u8(0) == good || b.u8(0) == broken)
}

func checkAdaptec(b block) (string, bool) {
	return fmt.Sprint(b.u8(63)), b.be32(0) == 0x37fc4d1e && b.has(256, "DPTM")
}

// JMicron's magic is two letters, which any text may have: the checksum decides. Its sum
// is 0 or, from some versions of the firmware, 1.
func checkJMicron(b block) (string, bool) {
	var sum uint16
	for off := 0; off < len(b); off += 2 {
		sum += b.le16(off)
	}
	return fmt.Sprintf("%d.%d", b.u8(3), b.u8(2)), b.has(0, "JM") && sum <= 1
}
