package probe

import "fmt"

// VMware's file system and the volume around it:
// https://github.com/glandium/vmfs-tools

func probeVMFSMember(s *source) *Info {
	hdr := s.at(1<<20, 1024)
	if hdr.le32(0) != 0xc001d00d {
		return nil
	}
	return &Info{
		Type:    "VMFS_volume_member",
		UUID:    textUUID(hdr.sub(512+20, 35)),
		UUIDSub: vmfsUUID(hdr.sub(130, 16)),
		Version: fmt.Sprint(hdr.le32(4)),
	}
}

func probeVMFS(s *source) *Info {
	hdr := s.at(2<<20, 256)
	if hdr.le32(0) != 0x2fabf15e {
		return nil
	}
	return &Info{
		Type:    "VMFS",
		Label:   label(hdr.sub(29, 128)),
		UUID:    vmfsUUID(hdr.sub(9, 16)),
		Version: fmt.Sprint(hdr.u8(8)),
	}
}

// vmfsUUID: two little-endian numbers of 4 bytes, one of 2, and 6 bytes.
func vmfsUUID(b block) string {
	if len(b) != 16 || b.zero() {
		return ""
	}
	return fmt.Sprintf("%08x-%08x-%04x-%x", b.le32(0), b.le32(4), b.le16(8), []byte(b[10:]))
}
