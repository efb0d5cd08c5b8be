package vhd

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
)

// What is wrong with an image is found, and repaired where it can be.
func TestCheck(t *testing.T) {
	const block = 4096
	for name, c := range map[string]struct {
		damage        func(s *sparse, b []byte) []byte
		errors, leaks int64 // with room for one before the first block
		problem       string
	}{
		"nothing":          {func(s *sparse, b []byte) []byte { return b }, 0, 1, ""},
		"the copy":         {func(s *sparse, b []byte) []byte { b[100]++; return b }, 1, 1, "the copy of the footer, at the beginning: damaged"},
		"no copy":          {func(s *sparse, b []byte) []byte { clear(b[:512]); return b }, 1, 1, "the copy of the footer, at the beginning: not"},
		"the footer":       {func(s *sparse, b []byte) []byte { b[len(b)-200]++; return b }, 1, 1, "the footer, at the end: damaged"},
		"no footer":        {func(s *sparse, b []byte) []byte { return b[:len(b)-512] }, 1, 1, "the footer, at the end: not"},
		"they differ":      {func(s *sparse, b []byte) []byte { b[100]++; sum(b[:512], checksumAt); return b }, 1, 1, "differ"},
		"two in one place": {func(s *sparse, b []byte) []byte { be.PutUint32(s.table[4:], 8192/512-1); return s.bytes() }, 1, 1, "block 0 is at 8192, where block 1 is"},
		"on the table":     {func(s *sparse, b []byte) []byte { be.PutUint32(s.table[4:], 3); return s.bytes() }, 1, 0, "block 1 is at 1536"},
		"on the header":    {func(s *sparse, b []byte) []byte { be.PutUint32(s.table[4:], 1); return s.bytes() }, 1, 1, "block 1 is at 512"},
		"past the end":     {func(s *sparse, b []byte) []byte { be.PutUint32(s.table[4:], 1<<20); return s.bytes() }, 1, 1, "block 1 ends at"},
		"room at the end": {func(s *sparse, b []byte) []byte {
			s.blocks = append(s.blocks, make([]byte, 2*(block+512))...)
			return s.bytes()
		}, 0, 3, "for 3 blocks"},
		"room, and no copy": {func(s *sparse, b []byte) []byte {
			s.blocks = append(s.blocks, make([]byte, block+512)...)
			b = s.bytes()
			clear(b[:512])
			return b
		}, 1, 2, "the copy of"},
	} {
		s := newSparse(Dynamic, 3*block, block, parentID)
		s.data(0, []byte{0xff}, bytes.Repeat([]byte{'x'}, block))
		d := testdisk.ReadOnly(c.damage(s, s.bytes()))
		before := d.Clone()
		got, err := Check(d, "image", disk.RepairNothing)
		if err != nil || got.Errors != c.errors || got.Leaks != c.leaks || !strings.Contains(fmt.Sprint(got.Problems), c.problem) || got.ErrorsFixed+got.LeaksFixed != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if !before.Equal(d) {
			t.Errorf("%s: Check has changed something", name)
		}
		d.ReadOnly = false
		got, err = Check(d, "image", disk.RepairAll)
		if err != nil {
			t.Errorf("%s: repair: %+v, %v", name, got, err)
		}
		if again, err := Check(d, "image", disk.RepairNothing); err != nil || again.Errors != got.Errors-got.ErrorsFixed || again.Leaks != got.Leaks-got.LeaksFixed {
			t.Errorf("%s: %+v, and after repair: %+v, %v", name, got, again, err)
		}
		d.ReadOnly = true
		m, err := New(d, "image", nil)
		if err != nil {
			t.Error(err)
			continue
		}
		p := make([]byte, 1)
		if _, err := m.ReadAt(p, 0); err != nil || p[0] != 'x' {
			t.Errorf("%s: %q, %v", name, p, err)
		}
	}
}
