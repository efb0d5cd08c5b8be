package bitlocker

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// What the boot sector and the metadata say is checked, also where the checksum is right. A
// hostile volume has no more key derivations than there are protectors, of which some count.
func TestHostile(t *testing.T) {
	put16, put32, put64 := binary.LittleEndian.PutUint16, binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	const at = 16 << 10
	for _, c := range []struct {
		name, want string
		change     func(b, block []byte)
	}{
		{"sectors", "sectors of 513 bytes", func(b, _ []byte) { put16(b[11:], 513) }},
		{"big sectors", "sectors of 8192 bytes", func(b, _ []byte) { put16(b[11:], 8192) }},
		{"all outside", "outside of the device", func(b, _ []byte) {
			for i := range 3 {
				put64(b[176+8*i:], 1<<63)
			}
		}},
		{"at the end", "none of its metadata is valid", func(b, _ []byte) {
			for i := range 3 {
				put64(b[176+8*i:], uint64(len(b)-1))
			}
		}},
		{"Vista without a cluster", "does not say where", func(b, _ []byte) { clear(b[160:176]); put64(b[56:], 0) }},
		{"Vista beyond", "does not say where", func(b, _ []byte) { clear(b[160:176]); b[13] = 8; put64(b[56:], 1<<60) }},
		{"version", "it has version 3", func(_, block []byte) { put16(block[10:], 3) }},
		{"no size", "it has 0 bytes", func(_, block []byte) { put16(block[8:], 0) }},
		{"small", "it has 96 bytes", func(_, block []byte) { put16(block[8:], 6) }},
		{"large", "it has 1048560 bytes", func(_, block []byte) { put16(block[8:], 0xffff) }},
		{"other place", "belongs to another place", func(_, block []byte) {
			for i := range 3 {
				put64(block[32+8*i:], at+512)
			}
		}},
		{"block outside", "outside of the volume", func(_, block []byte) { put64(block[40:], 1<<62) }},
		{"negative block", "outside of the volume", func(_, block []byte) { put64(block[40:], 1<<63) }},
		{"no entries", "", func(_, block []byte) { put32(block[blockHead:], 0) }},
		{"entries beyond", "", func(_, block []byte) { put32(block[blockHead:], 1<<32-1) }},
		{"entries in the head", "", func(_, block []byte) { put32(block[blockHead+8:], 1<<31) }},
	} {
		b := handmade(false)
		block := b[at:]
		c.change(b, block)
		const size = 0x80 * 16
		put32(block[size+4:], crc32.ChecksumIEEE(block[:size]))
		m := &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: "/dev/sda"}
		meta, err := read(m)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v does not say %q", c.name, meta, err, c.want)
		}
	}
	// Protectors after the first are as many as bound the time of a password.
	vmk := func(i int) []byte {
		data := make([]byte, 28)
		data[0] = byte(i)
		put16(data[26:], uint16(Password))
		return put(forVMK, isVMK, data)
	}
	var list [][]byte
	for i := range protectorsMax + 8 {
		list = append(list, vmk(i))
	}
	b := handmade(false, list...)
	m := &volume.Member{R: bytes.NewReader(b), Size: int64(len(b)), Name: "/dev/sda"}
	meta, err := read(m)
	if err != nil || len(meta.Protectors) != protectorsMax || len(meta.vmks) != protectorsMax || len(meta.lock().Slots) != protectorsMax {
		t.Errorf("%+v, %v", meta, err)
	}
}
