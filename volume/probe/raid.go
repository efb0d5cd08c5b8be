package probe

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const mdMagic = 0xa92b4efc

// Linux software RAID: https://raid.wiki.kernel.org/index.php/RAID_superblock_formats
// A superblock of version 1 is where it says it is: 1.0 at the end, 1.1 at the
// start, 1.2 at 4 KiB. The array's data begin with the device where the superblock is
// at its end.
func probeMDEnd(s *source) *Info {
	if info := probeMD0(s); info != nil {
		return info
	}
	off := (s.size/512 - 16) &^ 7 * 512
	info := md1(s, off, "1.0")
	if info != nil {
		info.DataEnd = off
	}
	return info
}

func probeMD(s *source) *Info {
	if info := md1(s, 0, "1.1"); info != nil {
		return info
	}
	return md1(s, 4096, "1.2")
}

// md1 reads a superblock of version 1.
func md1(s *source, off int64, version string) *Info {
	sb := s.at(off, 256)
	if sb.le32(0) != mdMagic || sb.le32(4) != 1 || mul(sb.le64(144), 512) != off {
		return nil
	}
	info := &Info{
		Type:    "linux_raid_member",
		Label:   label(sb.sub(32, 32)),
		UUID:    uuid(sb.sub(16, 16)),
		UUIDSub: uuid(sb.sub(168, 16)),
		Version: version,
	}
	if n := sb.le32(92); n < 1<<16 {
		info.Devices = int(n)
	}
	if data, size := mul(sb.le64(128), 512), mul(sb.le64(136), 512); data+size > 0 {
		info.Size = max(data+size, off+4096)
	}
	return info
}

// probeMD0 looks for version 0.90, in the last whole 64 KiB but one. It is in the
// byte order of the machine that made it.
func probeMD0(s *source) *Info {
	const reserved = 64 << 10
	off := s.size&^(reserved-1) - reserved
	sb := s.at(off, 256)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		word := func(i int) uint64 { return sb.number(i*4, 4, order) }
		if word(0) != mdMagic || word(1) != 0 || mul(word(8), 1024) > off {
			continue
		}
		id := make(block, 16)
		for i, w := range []int{5, 13, 14, 15} {
			if i == 0 || word(2) >= 90 {
				binary.BigEndian.PutUint32(id[i*4:], uint32(word(w)))
			}
		}
		info := &Info{
			Type:    "linux_raid_member",
			UUID:    uuid(id),
			Version: fmt.Sprintf("%d.%d.%d", word(1), word(2), word(3)),
			Size:    off + reserved,
			DataEnd: off,
		}
		if n := word(10); n < 1<<16 {
			info.Devices = int(n)
		}
		return info
	}
	return nil
}

// probeDDF recognizes the SNIA's Common RAID Disk Data Format, of firmware and of server
// controllers. Its anchor is the last sector, and says where the header is.
func probeDDF(s *source) *Info {
	const magic = 0xde11de11
	for _, n := range []int64{1, 257} {
		off := (s.size/512 - n) * 512
		sb := s.at(off, 512)
		var order binary.ByteOrder = binary.BigEndian
		switch {
		case sb.be32(0) == magic:
		case sb.le32(0) == magic:
			order = binary.LittleEndian
		default:
			continue
		}
		if lba := sb.number(96, 8, order); lba > 0 {
			if header := s.at(mul(lba, 512), 4); string(header) != string(sb[:4]) {
				continue
			}
		}
		return &Info{Type: "ddf_raid_member", UUID: label(sb.sub(8, 24)), Version: label(sb.sub(32, 8)), DataEnd: off}
	}
	return nil
}

// probeDRBD recognizes a device of DRBD with internal metadata, which end it.
func probeDRBD(s *source) *Info {
	off := s.size - 4096
	sb := s.at(off, 128)
	info := &Info{Type: "drbd", DataEnd: off}
	switch sb.be32(60) {
	case 0x8374026b, 0x8374026c:
		info.Version, info.UUID = "v08", fmt.Sprintf("%x", sb.be64(40))
	case 0x8374026d:
		info.Version, info.UUID = "v09", fmt.Sprintf("%x", sb.be64(48))
	default:
		return nil
	}
	return info
}

// probeAppleRAID recognizes a partition of macOS's software RAID, by its header in the
// last whole 4 KiB. Blkid does not know it.
func probeAppleRAID(s *source) *Info {
	off := s.size&^4095 - 4096
	sb := s.at(off, 512)
	if !sb.has(0, "AppleRAIDHeader\x00") {
		return nil
	}
	return &Info{Type: "apple_raid_member", DataEnd: off}
}

// A physical volume of LVM2 has a label in one of its first four sectors.
func probeLVM2(s *source) *Info {
	const (
		header = 32
		salt   = 0xf597a6cf
	)
	for i := range int64(4) {
		sector := s.at(i*512, 512)
		if !sector.has(0, "LABELONE") || !sector.has(24, "LVM2 001") || sector.le64(8) != uint64(i) {
			continue
		}
		crc := uint32(salt)
		if ^crc32.Update(^crc, crc32.IEEETable, sector[20:]) != sector.le32(16) {
			continue
		}
		pv := sector.sub(int(min(sector.le32(20), 512)), 40)
		if pv == nil {
			pv = sector.sub(header, 40)
		}
		info := &Info{Type: "LVM2_member", Version: "LVM2 001", Size: mul(pv.le64(32), 1)}
		info.UUID = lvmUUID(pv.sub(0, 32))
		return info
	}
	return nil
}

// lvmUUID returns the UUID of a physical volume as LVM prints it.
func lvmUUID(b block) string {
	id := textUUID(b)
	if len(id) != 32 {
		return ""
	}
	return id[:6] + "-" + id[6:10] + "-" + id[10:14] + "-" + id[14:18] + "-" + id[18:22] + "-" + id[22:26] + "-" + id[26:]
}

// probeLVM1 recognizes physical volumes of LVM's first format, of Linux 2.4.
func probeLVM1(s *source) *Info {
	pv := s.at(0, 512)
	if !pv.has(0, "HM") || pv.le16(2) != 1 && pv.le16(2) != 2 {
		return nil
	}
	return &Info{Type: "LVM1_member", UUID: lvmUUID(pv.sub(44, 32))}
}

// probeSnapshot recognizes the exception store of a persistent dm-snapshot.
func probeSnapshot(s *source) *Info {
	sb := s.at(0, 16)
	if !sb.has(0, "SnAp") {
		return nil
	}
	return &Info{Type: "DM_snapshot_cow", Version: fmt.Sprint(sb.le32(8))}
}

// probeSuper recognizes the partition of Android that has the others in it (liblp), for which
// blkid has no name.
func probeSuper(s *source) *Info {
	const geometry = 4096 // where the first of two copies is
	for _, off := range []int64{geometry, 2 * geometry} {
		if b := s.at(off, 52); b.le32(0) == 0x616c4467 && b.le32(4) == 52 {
			return &Info{Type: "android_super"}
		}
	}
	return nil
}
