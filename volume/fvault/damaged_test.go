package fvault

import (
	"encoding/binary"
	"strings"
	"testing"
)

// Each field that says where something is, or how long, is checked before it is followed: the
// checksums, which somebody hostile makes right, say nothing of that. Every one leaves a member
// whose problem names the reason, and no volume.
func TestDamaged(t *testing.T) {
	put32, put64 := binary.LittleEndian.PutUint32, binary.LittleEndian.PutUint64
	const label, groups = 4096, 4096 + blockSize
	block := func(b []byte, i int) []byte { return b[16384+i*blockSize:][:blockSize] }
	for _, c := range []struct {
		name, want string
		change     func(b []byte)
	}{
		{"version", "it has version 2", func(b []byte) { b[8] = 2 }},
		{"signature", "it has version 1", func(b []byte) { b[88] = 'X' }},
		{"long key", "its key has 32 bytes", func(b []byte) { b[168] = 32 }},
		{"no unit", "blocks of 0 bytes", func(b []byte) { put32(b[96:], 0) }},
		{"odd unit", "blocks of 4097 bytes", func(b []byte) { put32(b[96:], 4097) }},
		{"huge unit", "blocks of 2147483648 bytes", func(b []byte) { put32(b[96:], 1<<31) }},
		{"label beyond", "past the end", func(b []byte) { put64(b[104:], 1<<20) }},
		{"label overflows", "past the end", func(b []byte) { put64(b[104:], 1<<63) }},
		{"label at the end", "end", func(b []byte) { put64(b[104:], 16) }},
		{"label elsewhere", "checksum at 8192", func(b []byte) { put64(b[104:], 2) }},
		{"groups beyond", "end", func(b []byte) { put32(b[label+220:], 1<<32-1) }},
		{"blocks beyond", "past the end", func(b []byte) { put64(b[groups+32:], 1<<52) }},
		{"no blocks", "a part of the metadata is missing", func(b []byte) { put64(b[groups+8:], 0) }},
		{"two blocks", "a part of the metadata is missing", func(b []byte) { put64(b[groups+8:], 2) }},
		{"text without end", "block 0", func(b []byte) { put32(block(b, 0)[116:], 1<<32-1) }},
		{"text outside", "block 0", func(b []byte) { put32(block(b, 0)[112:], 1<<31) }},
		{"another text", "it has no PassphraseWrappedKEKStruct", func(b []byte) { copy(block(b, 0)[512:], strings.Repeat(" ", 600)) }},
		{"no size", "block 1", func(b []byte) { put32(block(b, 1)[132:], 0) }},
		{"offset beyond", "block 2", func(b []byte) { put32(block(b, 2)[104:], 1<<32-1) }},
	} {
		b := handmade(1000, "0x1000")
		c.change(b)
		sum(b[:headSize])
		sum(b[label:][:blockSize])
		for i := range 3 {
			sum(block(b, i))
		}
		m, list := opened(t, b)
		if len(list) != 0 || len(m.Problems) != 1 || !strings.Contains(m.Problems[0], c.want) {
			t.Errorf("%s: %+v %q does not say %q", c.name, list, m.Problems, c.want)
		}
	}
	// More blocks than there are end at the first that was never written.
	b := handmade(1000, "0x1000")
	put64(b[groups+8:], 1<<63)
	if m, list := opened(t, b); len(list) != 1 || len(m.Problems) != 0 {
		t.Errorf("%+v %q", list, m.Problems)
	}
	// A checksum that is wrong is not made up for.
	b = handmade(1000, "0x1000")
	b[16] ^= 1
	if m, list := opened(t, b); len(list) != 0 || len(m.Problems) != 1 || !strings.Contains(m.Problems[0], "checksum at 0") {
		t.Errorf("%+v %q", list, m.Problems)
	}
}
