package probe

import (
	"fmt"
	"hash/crc32"
)

// File systems and volumes of clusters and of data centers.

// GFS and GFS2.
func probeGFS(s *source) *Info {
	sb := s.at(64<<10, 512)
	if sb.be32(0) != 0x01161970 {
		return nil
	}
	info := &Info{Type: "gfs2", Version: "1", Label: label(sb.sub(160, 64)), UUID: uuid(sb.sub(256, 16)), BlockSize: int64(sb.be32(36))}
	// GFS2 kept GFS's magic: only the numbers of the formats tell them apart.
	switch format, multi := sb.be32(24), sb.be32(28); {
	case format == 1309 && multi == 1401:
		info.Type, info.Version = "gfs", ""
	case format < 1800 || format >= 1900 || multi < 1900 || multi >= 2000 || !power2(uint64(info.BlockSize), 512, 64<<10):
		return nil
	}
	return info
}

// OCFS2 and its predecessor. Its superblock is in the third block, whose size is one of
// four, and not known before it is read.
func probeOCFS(s *source) *Info {
	for off := int64(1 << 10); off <= 8<<10; off *= 2 {
		sb := s.at(off, 512)
		bits, clusterBits := sb.le32(248), sb.le32(252)
		if !sb.has(0, "OCFSV2") || bits < 9 || bits > 16 || clusterBits > 24 {
			continue
		}
		return &Info{
			Type: "ocfs2", Label: label(sb.sub(272, 64)), UUID: uuid(sb.sub(336, 16)),
			Version:   fmt.Sprintf("%d.%d", sb.le16(192), sb.le16(194)),
			BlockSize: 1 << bits, Size: mul(uint64(sb.le32(20)), 1<<clusterBits),
		}
	}
	if sb := s.at(8<<10, 1024); sb.has(8, "OracleCFS") {
		return &Info{Type: "ocfs", Label: label(sb.sub(512+48, 64)), UUID: uuid(sb.sub(512+114, 16)),
			Version: fmt.Sprintf("%d.%d", sb.le32(4), sb.le32(0))}
	}
	return nil
}

// A disk of Oracle's Automatic Storage Management.
func probeOracleASM(s *source) *Info {
	if !s.has(32, "ORCLDISK") {
		return nil
	}
	return &Info{Type: "oracleasm", Label: label(s.at(40, 24))}
}

// Novell's NetWare Storage Services.
func probeNSS(s *source) *Info {
	sb := s.at(4<<10, 512)
	if !sb.has(0, "SPB5") {
		return nil
	}
	return &Info{Type: "nss", UUID: uuid(sb.sub(348, 16)), Version: fmt.Sprintf("%d.%02d", sb.le16(8), sb.le16(10))}
}

// Micron's object store for NVMe and persistent memory.
func probeMpool(s *source) *Info {
	sb := s.at(0, 66)
	if !sb.has(0, "mpoolDev") || crc32.Checksum(sb[:62], castagnoli) != sb.le32(62) {
		return nil
	}
	return &Info{Type: "mpool", Label: label(sb.sub(8, 32)), UUID: uuid(sb.sub(40, 16))}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Ceph's store on a device of its own.
func probeBlueStore(s *source) *Info {
	if !s.has(0, "bluestore block device") {
		return nil
	}
	return &Info{Type: "ceph_bluestore"}
}

// The Virtual Data Optimizer, which compresses what lies on it.
func probeVDO(s *source) *Info {
	if !s.has(0, "dmvdo001") {
		return nil
	}
	return &Info{Type: "vdo", UUID: uuid(s.at(40, 16))}
}

// Stratis keeps two copies of its header.
func probeStratis(s *source) *Info {
	for _, off := range []int64{512, 9 * 512} {
		sb := s.at(off, 512)
		if !sb.has(4, "!Stra0tis\x86\xff\x02^\x41rh") || crc32.Checksum(sb[4:], castagnoli) != sb.le32(0) {
			continue
		}
		dashed := func(b block) string {
			id := textUUID(b)
			if len(id) != 32 {
				return ""
			}
			return id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
		}
		return &Info{Type: "stratis", UUID: dashed(sb.sub(64, 32))}
	}
	return nil
}

// DRBD's own volumes: of drbdmanage, and the log of its proxy.
func probeDRBDOther(s *source) *Info {
	switch head := s.at(0, 64); {
	case head.has(0, "$DRBDmgr=q") && head.u8(43) == '\n':
		info := &Info{Type: "drbdmanage_control_volume", UUID: textUUID(head.sub(11, 32))}
		if p := s.at(4096, 8); p.has(0, "\x1a\xdb\x98\xa2") {
			info.Version = fmt.Sprint(p.be32(4))
		}
		return info
	case head.has(0, "DRBDdlh*"):
		return &Info{Type: "drbdproxy_datalog", Usage: Filesystem, UUID: uuid(head.sub(16, 16)), Version: fmt.Sprintf("v%d", head.le64(8))}
	}
	return nil
}
