package probe

import (
	"encoding/binary"
	"testing"
)

// mdImage writes a superblock of Linux software RAID as md(4) describes it. Mdadm
// makes none without the kernel's driver and a block device.
func mdImage(t *testing.T, version string) string {
	const size = 16 << 20
	image := blank(size)(t)
	if version == "0.90" {
		sb := make([]byte, 4096)
		word := func(i int, v uint32) { binary.LittleEndian.PutUint32(sb[i*4:], v) }
		for i, v := range []uint32{mdMagic, 0, 90, 3, 0, 0x11223344, 1700000000, 1, 8192, 2, 2} {
			word(i, v)
		}
		word(13, 0x55667788)
		word(14, 0x99aabbcc)
		word(15, 0xddeeff00)
		var sum uint64
		for i := range 1024 {
			sum += uint64(binary.LittleEndian.Uint32(sb[i*4:]))
		}
		word(38, uint32(sum)+uint32(sum>>32))
		write(t, image, size-64<<10, string(sb))
		return image
	}
	off := map[string]int64{"1.0": size - 8<<10, "1.1": 0, "1.2": 4096}[version]
	sb := make([]byte, 512)
	le := binary.LittleEndian
	le.PutUint32(sb, mdMagic)
	le.PutUint32(sb[4:], 1)
	copy(sb[16:], "0123456789abcdef")
	copy(sb[32:], "host:a b")
	le.PutUint32(sb[72:], 1)
	le.PutUint64(sb[80:], 16384)
	le.PutUint32(sb[92:], 2)
	le.PutUint64(sb[128:], 2048)
	le.PutUint64(sb[136:], 16384)
	le.PutUint64(sb[144:], uint64(off)/512)
	copy(sb[168:], "fedcba9876543210")
	le.PutUint32(sb[220:], 128) // devices in the table
	var sum uint64
	for i := 0; i < 256+2*128; i += 4 {
		sum += uint64(le.Uint32(sb[i:]))
	}
	le.PutUint32(sb[216:], uint32(sum)+uint32(sum>>32))
	write(t, image, off, string(sb))
	return image
}
