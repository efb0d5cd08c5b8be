package dmg_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk/dmg"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// Images of one kind of compression, and of all of them.
func TestRuns(t *testing.T) {
	all := []uint32{stored, adc, deflate, bzip2, lzfse, lzma}
	for i, kinds := range [][]uint32{all, {stored}, {adc}, {deflate}, {bzip2}, {lzfse}, {lzma}} {
		for _, plist := range []bool{true, false} {
			content := imgtest.Content(2<<20, uint64(i))
			b := disk(t, content, plist, kinds...)
			d, err := dmg.Open(testdisk.ReadOnly(b), "image.dmg", nil)
			if err != nil {
				t.Fatal(err)
			}
			imgtest.Same(t, d, content)
			if size, _, err := dmg.Stat(testdisk.ReadOnly(b)); err != nil || size != int64(len(content)) {
				t.Error(size, err)
			}
			if r, err := dmg.Check(testdisk.ReadOnly(b), "image.dmg", 0); err != nil || r.Errors != 0 {
				t.Errorf("%d: %+v, %v", i, r, err)
			}
		}
	}
}

// QEMU reads what is built here in the same way: that is what it is meant to be.
func TestQemu(t *testing.T) {
	testimg.Need(t, "qemu-img")
	content := imgtest.Content(1<<20, 9)
	for _, plist := range []bool{true, false} {
		dir := imgtest.Write(t, map[string][]byte{"image.dmg": disk(t, content, plist, stored, deflate)})
		imgtest.AsQemu(t, "dmg", "dmg", filepath.Join(dir, "image.dmg"))
	}
}

// What is wrong in the data is found by Check, if not by its compression.
func TestCheck(t *testing.T) {
	b := disk(t, imgtest.Content(100<<10, 3), true, stored)
	b[1000] ^= 1
	r, err := dmg.Check(testdisk.ReadOnly(b), "image.dmg", 0)
	if err != nil || r.Errors != 1 || !strings.Contains(r.Problems[0], "CRC-32") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestDamage(t *testing.T) {
	text := bytes.Repeat([]byte("text"), 256)
	good := pack(t, deflate, text)
	cut := good
	cut.packed = cut.packed[:len(cut.packed)-6]
	short := pack(t, deflate, text[:512])
	short.data = text
	for want, b := range map[string][]byte{
		"does not decompress: unexpected EOF":              nil,
		"decompresses to 512 bytes, and not 1024":          build(true, []run{short}),
		"is of the kind 0x80000009":                        build(true, []run{{0x80000009, text, text}}),
		"a match is 1 bytes back":                          build(true, []run{{adc, text, []byte{0x40, 0, 0}}}),
		"begins with \"text\"":                             build(true, []run{{lzfse, text, text}}),
		"runs, and has":                                    bytes.Replace(build(false, []run{good}), []byte{0, 0, 0, 2, 0x80}, []byte{0, 1, 0, 2, 0x80}, 1),
		"has no property list and no resource fork":        patch(build(true, []run{good}), -512+224, 0),
		"lie past the trailer":                             patch(build(true, []run{good}), -512+216, 1<<20),
		"several segments":                                 patch(build(true, []run{good}), -512+56, 2),
		"refers to what is not there":                      patch(build(false, []run{good}), -512+48, 100),
		"the property list at its byte":                    bytes.Replace(build(true, []run{good}), []byte("<dict>"), []byte("<dict a='"), 1),
		"a run of the disk ends at 1024, and the next one": nil,
	} {
		switch {
		case strings.HasPrefix(want, "does not"):
			b = build(true, []run{{deflate, text, cut.packed[:4]}})
			want = "decompress"
		case b == nil:
			b = build(false, []run{good, good})
			b = bytes.Replace(b, []byte{0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2}, []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2}, 1)
		}
		d, err := dmg.Open(testdisk.ReadOnly(b), "image.dmg", nil)
		if err == nil {
			_, err = d.ReadAt(make([]byte, 1024), 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "image.dmg") {
			t.Errorf("%s: %v", want, err)
		}
		if !errors.Is(err, dmg.ErrDamaged) && !errors.Is(err, dmg.ErrSegments) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// patch puts a number of 64 bits somewhere, from the end on.
func patch(b []byte, at int, v uint64) []byte {
	be.PutUint64(b[len(b)+at:], v)
	return b
}

func FuzzImage(f *testing.F) {
	content := imgtest.Content(64<<10, 1)
	for _, plist := range []bool{true, false} {
		f.Add(disk(f, content, plist, stored, adc, deflate, bzip2, lzfse, lzma))
	}
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "dmg", b, nil) })
}
