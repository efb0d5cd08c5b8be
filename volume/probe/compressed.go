package probe

import (
	"encoding/binary"
	"fmt"
)

// Squashfs: https://dr-emann.github.io/squashfs/
func probeSquashfs(s *source) *Info {
	sb := s.at(0, 96)
	var order binary.ByteOrder = binary.LittleEndian
	switch {
	case sb.has(0, "hsqs"):
	case sb.has(0, "sqsh"):
		order = binary.BigEndian
	case sb.has(0, "shsq"), sb.has(0, "qshs"), sb.has(0, "tqsh"), sb.has(0, "hsqt"), sb.has(0, "sqlz"):
		// Makers of routers change the compression and, so that nobody takes it for the
		// usual one, the magic. The header does not say what else they changed.
		if sb.le16(28) > 4 && sb.be16(28) > 4 {
			return nil
		}
		return &Info{Type: "squashfs_vendor"}
	default:
		return nil
	}
	major, minor := sb.number(28, 2, order), sb.number(30, 2, order)
	info := &Info{Type: "squashfs", Version: fmt.Sprintf("%d.%d", major, minor)}
	if major < 4 {
		info.Type = "squashfs3" // another layout, which Linux does not mount any more
		return info
	}
	if order == binary.BigEndian {
		info.Type = "squashfs_vendor" // in the standard there is no big-endian version 4
		return info
	}
	info.BlockSize = int64(sb.le32(12))
	if !power2(uint64(info.BlockSize), 4096, 1<<20) {
		return nil
	}
	info.Size = mul(sb.le64(40), 1)
	return info
}

// EROFS: https://docs.kernel.org/filesystems/erofs.html
func probeEROFS(s *source) *Info {
	sb := s.at(1024, 128)
	bits := sb.u8(12)
	if sb.le32(0) != 0xe0f5e1e2 || bits < 9 || bits > 16 {
		return nil
	}
	return &Info{
		Type:      "erofs",
		Label:     label(sb.sub(64, 16)),
		UUID:      uuid(sb.sub(48, 16)),
		BlockSize: 1 << bits,
		Size:      mul(uint64(sb.le32(36)), 1<<bits),
	}
}

// Cramfs: https://docs.kernel.org/filesystems/cramfs.html
func probeCramfs(s *source) *Info {
	const version2 = 1
	sb := s.at(0, 64)
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if sb.number(0, 4, order) != 0x28cd3d45 || !sb.has(16, "Compressed ROMFS") {
			continue
		}
		info := &Info{
			Type:      "cramfs",
			Label:     label(sb.sub(48, 16)),
			Version:   "1",
			BlockSize: 4096,
		}
		if sb.number(8, 4, order)&version2 != 0 {
			info.Version = "2"
		}
		info.Size = int64(sb.number(4, 4, order))
		return info
	}
	return nil
}

// ROMFS: https://docs.kernel.org/filesystems/romfs.html
func probeROMFS(s *source) *Info {
	sb := s.upTo(0, 512)
	if !sb.has(0, "-rom1fs-") {
		return nil
	}
	name := sb.sub(16, len(sb)-16)
	if len(name) > 100 {
		name = name[:100]
	}
	return &Info{Type: "romfs", Label: label(name), BlockSize: 1024, Size: int64(sb.be32(8))}
}
