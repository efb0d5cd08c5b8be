package probe

import (
	"fmt"
	"hash/crc32"
)

// LUKS: https://gitlab.com/cryptsetup/LUKS2-docs. Version 2 has a second header,
// at one of a few places, for when the first is gone.
func probeLUKS(s *source) *Info {
	if hdr := s.at(0, 512); hdr.has(0, "LUKS\xba\xbe") {
		if info := luks(hdr); info != nil {
			return info
		}
	}
	// The second header says where it is itself: a copy of a header in somebody's file is
	// not taken for one.
	for off := int64(16 << 10); off < headSize; off *= 2 {
		hdr := s.at(off, 512)
		if hdr.has(0, "SKUL\xba\xbe") && hdr.be16(6) == 2 && hdr.be64(256) == uint64(off) {
			return luks(hdr)
		}
	}
	return nil
}

func luks(hdr block) *Info {
	version := hdr.be16(6)
	info := &Info{
		Type:    "crypto_LUKS",
		UUID:    textUUID(hdr.sub(168, 40)),
		Version: fmt.Sprint(version),
	}
	switch version {
	case 1:
	case 2:
		info.Label = label(hdr.sub(24, 48))
	default:
		return nil
	}
	return info
}

// BitLocker, of Windows 7 and later and "to go", whose boot sector poses as FAT:
// https://github.com/libyal/libbde/blob/main/documentation/BitLocker%20Drive%20Encryption%20(BDE)%20format.asciidoc
func probeBitLocker(s *source) *Info {
	const toGoGUID = "\x3b\xd6\x67\x49\x29\x2e\xd8\x4a\x83\x99\xf6\xa3\x39\xe3\xd0\x01"
	boot := s.at(0, 512)
	var meta int64
	switch {
	case boot.has(0, "\xeb\x58\x90-FVE-FS-"):
		meta = mul(boot.le64(176), 1)
	case boot.has(0, "\xeb\x52\x90-FVE-FS-"): // Vista, laid out differently
		return &Info{Type: "BitLocker"}
	case boot.has(0, "\xeb\x58\x90MSWIN4.1") && boot.has(424, toGoGUID):
		// "To go" poses as a FAT with a program that reads it, and keeps the place of its
		// metadata where a FAT has boot code.
		meta = mul(boot.le64(440), 1)
	default:
		return nil
	}
	info := &Info{Type: "BitLocker"}
	if m := s.at(meta, 112); m.has(0, "-FVE-FS-") {
		info.Version = fmt.Sprint(m.le16(10))
		info.Size = mul(m.le64(16), 1)
		info.UUID = guid(m.sub(64+16, 16))
	}
	return info
}

// CoreStorage with FileVault 2, as blkid(8) of util-linux 2.39 names it:
// https://github.com/libyal/libfvde/blob/main/documentation/FileVault%20Drive%20Encryption%20(FVDE).asciidoc
func probeCoreStorage(s *source) *Info {
	sb := s.at(0, 512)
	const keySize = 16
	if !sb.has(88, "CS") || sb.le16(8) != 1 || sb.le32(168) != keySize ||
		sb.le32(4) != 0xffffffff || ^crc32.Checksum(sb[8:], castagnoli) != sb.le32(0) {
		return nil
	}
	return &Info{Type: "cs_fvault2", UUID: uuid(sb.sub(304, 16)), Version: "1", Size: mul(sb.le64(64), 1)}
}

// The hash tree of dm-verity: https://gitlab.com/cryptsetup/cryptsetup/-/wikis/DMVerity
func probeVerity(s *source) *Info {
	sb := s.at(0, 512)
	if !sb.has(0, "verity\x00\x00") {
		return nil
	}
	return &Info{
		Type:      "DM_verity_hash",
		UUID:      uuid(sb.sub(16, 16)),
		Version:   fmt.Sprint(sb.le32(8)),
		BlockSize: 0, // of the data, not of this device
	}
}

// dm-integrity: https://docs.kernel.org/admin-guide/device-mapper/dm-integrity.html
func probeIntegrity(s *source) *Info {
	sb := s.at(0, 64)
	if !sb.has(0, "integrt\x00") {
		return nil
	}
	return &Info{Type: "DM_integrity", Version: fmt.Sprint(sb.u8(8))}
}
