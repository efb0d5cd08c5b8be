package probe

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const mdMagic = 0xa92b4efc

// Linux software RAID: https://raid.wiki.kernel.org/index.php/RAID_superblock_formats
// A superblock of version 1 is where it says it is: 1.0 at the end, 1.1 at the
// start, 1.2 at 4 KiB.
func probeMD(s *source) *Info {
	end := (s.size/512 - 16) &^ 7 * 512
	for i, off := range []int64{end, 0, 4096} {
		sb := s.at(off, 256)
		if sb.le32(0) != mdMagic || sb.le32(4) != 1 || mul(sb.le64(144), 512) != off {
			continue
		}
		info := &Info{
			Type:    "linux_raid_member",
			Label:   label(sb.sub(32, 32)),
			UUID:    uuid(sb.sub(16, 16)),
			UUIDSub: uuid(sb.sub(168, 16)),
			Version: fmt.Sprintf("1.%d", i),
		}
		if n := sb.le32(92); n < 1<<16 {
			info.Devices = int(n)
		}
		if data, size := mul(sb.le64(128), 512), mul(sb.le64(136), 512); data+size > 0 {
			info.Size = max(data+size, off+4096)
		}
		return info
	}
	return probeMD0(s)
}

// probeMD0 looks for version 0.90, in the last whole 64 KiB but one. It is in the
// byte order of the machine that made it.
func probeMD0(s *source) *Info {
	off := s.size&^(64<<10-1) - 64<<10
	sb := s.at(off, 256)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		word := func(i int) uint64 { return sb.number(i*4, 4, order) }
		if word(0) != mdMagic || word(1) != 0 {
			continue
		}
		id := make(block, 16)
		for i, w := range []int{5, 13, 14, 15} {
			binary.BigEndian.PutUint32(id[i*4:], uint32(word(w)))
		}
		info := &Info{
			Type:    "linux_raid_member",
			UUID:    uuid(id),
			Version: fmt.Sprintf("%d.%d.%d", word(1), word(2), word(3)),
			Size:    off + 64<<10,
		}
		if n := word(10); n < 1<<16 {
			info.Devices = int(n)
		}
		return info
	}
	return nil
}

// probeFakeRAID recognizes the RAID of firmware, by what it writes near the end of
// its disks: Intel's, and the SNIA's DDF.
func probeFakeRAID(s *source) *Info {
	const isw = "Intel Raid ISM Cfg Sig. "
	last := s.size &^ 511
	if sb := s.at(last-1024, 512); sb.has(0, isw) {
		return &Info{Type: "isw_raid_member", Version: label(sb.sub(len(isw), 6))}
	}
	if sb := s.at(last-512, 512); sb.be32(0) == 0xde11de11 {
		return &Info{Type: "ddf_raid_member", UUID: uuid(sb.sub(8, 16)), Version: label(sb.sub(32, 8))}
	}
	return nil
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
		if id := textUUID(pv.sub(0, 32)); len(id) == 32 {
			info.UUID = id[:6] + "-" + id[6:10] + "-" + id[10:14] + "-" + id[14:18] + "-" +
				id[18:22] + "-" + id[22:26] + "-" + id[26:]
		}
		return info
	}
	return nil
}

// probeSnapshot recognizes the exception store of a persistent dm-snapshot.
func probeSnapshot(s *source) *Info {
	sb := s.at(0, 16)
	if !sb.has(0, "SnAp") {
		return nil
	}
	return &Info{Type: "DM_snapshot_cow", Version: fmt.Sprint(sb.le32(8))}
}
