package bochs_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk/bochs"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// build makes an image of a content, of which sectors of zeros are not there, in extents of
// 8 KiB that are not in the order of the disk.
func build(content []byte, version byte) []byte {
	const extent, bitmap = 8192, 512
	n := (len(content) + extent - 1) / extent
	b := make([]byte, 512+4*n)
	copy(b, "Bochs Virtual HD Image")
	copy(b[32:], "Redolog")
	copy(b[48:], "Growing")
	le := func(at int, v int) { b[at], b[at+1], b[at+2], b[at+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24) }
	b[66] = version
	le(68, 512)
	le(72, n)
	le(76, 2) // bytes of a bitmap, which take a sector
	le(80, extent)
	size := 88
	if version == 1 {
		size = 84
	}
	le(size, len(content))
	next := 0
	for i := n - 1; i >= 0; i-- {
		piece := make([]byte, extent)
		copy(piece, content[i*extent:])
		le(512+4*i, -1)
		if len(bytes.Trim(piece, "\x00")) == 0 {
			continue
		}
		le(512+4*i, next)
		next++
		written := make([]byte, bitmap)
		for s := range 16 {
			if p := piece[s*512:][:512]; len(bytes.Trim(p, "\x00")) > 0 {
				written[s/8] |= 1 << (s % 8)
			} else {
				copy(p, "what nobody wrote")
			}
		}
		b = append(append(b, written...), piece...)
	}
	return b
}

func TestQemu(t *testing.T) {
	testimg.Need(t, "qemu-img")
	for _, version := range []byte{1, 2} {
		content := imgtest.Content(1<<20+512, 3)
		image := filepath.Join(imgtest.Write(t, map[string][]byte{"image": build(content, version)}), "image")
		imgtest.AsQemu(t, "bochs", "bochs", image)
		imgtest.Same(t, imgtest.Open(t, "bochs", image, false), content)
	}
}

func TestQemuSamples(t *testing.T) {
	testimg.Need(t, "qemu-img")
	imgtest.AsQemu(t, "bochs", "bochs", filepath.Join(imgtest.Samples(t, "empty.bochs"), "empty.bochs"))
}

func TestDamage(t *testing.T) {
	good := build(imgtest.Content(1<<20, 3), 2)
	for want, change := range map[string]func(b []byte) []byte{
		"extents of 8193 bytes":  func(b []byte) []byte { b[80] = 1; return b },
		"bitmaps of 1 bytes":     func(b []byte) []byte { b[76] = 1; return b },
		"a catalog of 1 entries": func(b []byte) []byte { b[72] = 1; return b },
		"version 0x3":            func(b []byte) []byte { b[66] = 3; return b },
		`the type "Redolog", "U`: func(b []byte) []byte { b[48] = 'U'; return b },
		"a disk of":              func(b []byte) []byte { b[95] = 0xff; return b },
		"header of 96 bytes":     func(b []byte) []byte { return b[:90] },
		"was it truncated":       func(b []byte) []byte { return b[:len(b)/2] },
		"the bitmap at":          func(b []byte) []byte { b[515] = 9; return b },
	} {
		d, err := bochs.Open(testdisk.ReadOnly(change(bytes.Clone(good))), "image", nil)
		if err == nil {
			_, err = d.ReadAt(make([]byte, d.Size()), 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(build(imgtest.Content(1<<16, 1), 2))
	f.Add(build(imgtest.Content(1<<15, 2), 1))
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "bochs", b, nil) })
}
