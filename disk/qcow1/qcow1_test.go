package qcow1_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/qcow1"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

var be = binary.BigEndian

// build makes an image of a content, with clusters of 4 KiB that are compressed, as qemu-img
// convert -c should make it (that of Debian 12 fails), and not in the order of the disk.
func build(content []byte) []byte {
	const cluster, perTable = 4096, 512
	b := make([]byte, 1024)
	copy(b, "QFI\xfb\x00\x00\x00\x01")
	be.PutUint64(b[24:], uint64(len(content)))
	b[32], b[33] = 12, 9
	be.PutUint64(b[40:], 64)
	n := (len(content) + cluster - 1) / cluster
	for i := n - 1; i >= 0; i-- {
		piece := make([]byte, cluster)
		copy(piece, content[i*cluster:])
		if len(bytes.Trim(piece, "\x00")) == 0 {
			continue
		}
		l1 := b[64+i/perTable*8:]
		if be.Uint64(l1) == 0 {
			be.PutUint64(l1, uint64(len(b)+7)&^7)
			b = append(b, make([]byte, -len(b)&7+perTable*8)...)
		}
		table := be.Uint64(b[64+i/perTable*8:])
		var z bytes.Buffer
		w, _ := flate.NewWriter(&z, 9)
		w.Write(piece)
		w.Close()
		e := uint64(len(b)) | uint64(z.Len())<<(63-12) | 1<<63
		if z.Len() >= cluster {
			b = append(b, make([]byte, -len(b)&511)...)
			e = uint64(len(b))
			z = *bytes.NewBuffer(piece)
		}
		be.PutUint64(b[table+uint64(i%perTable*8):], e)
		b = append(b, z.Bytes()...)
	}
	return b
}

func TestQemu(t *testing.T) {
	testimg.Need(t, "qemu-img")
	for i, size := range []int{3<<20 + 512, 512} {
		content := imgtest.Content(size, uint64(i))
		image := imgtest.Convert(t, content, "qcow")
		imgtest.Same(t, imgtest.Open(t, "qcow", image, false), content)
		image = filepath.Join(imgtest.Write(t, map[string][]byte{"image": build(content)}), "image")
		imgtest.AsQemu(t, "qcow", "qcow", image)
		imgtest.Same(t, imgtest.Open(t, "qcow", image, false), content)
	}
}

// A backing file is read where the image has nothing, if that is allowed.
func TestBacking(t *testing.T) {
	content := imgtest.Content(1<<20, 5)
	base := imgtest.Convert(t, content, "qcow")
	image := imgtest.Overlay(t, "qcow", base, "qcow", "100k", "30k")
	copy(content[100<<10:], bytes.Repeat([]byte{0x5a}, 30<<10))
	imgtest.Same(t, imgtest.Open(t, "qcow", image, false), content)
	if _, err := source.Open(context.Background(), image, source.Options{}); !errors.Is(err, disk.ErrNotAllowed) {
		t.Error(err)
	}
}

func TestDamage(t *testing.T) {
	good := build(imgtest.Content(1<<20, 5))
	for want, change := range map[string]func(b []byte) []byte{
		"clusters of 2^40 bytes":      func(b []byte) []byte { b[32] = 40; return b },
		"encrypted qcow":              func(b []byte) []byte { b[39] = 1; return b },
		"was it truncated":            func(b []byte) []byte { return b[:len(b)/2] },
		"the name of the backing":     func(b []byte) []byte { b[15], b[18] = 1, 9; return b },
		"header of 48 bytes":          func(b []byte) []byte { return b[:40] },
		"a disk of":                   func(b []byte) []byte { b[24] = 0xff; return b },
		"a table lies at":             func(b []byte) []byte { b[64] |= 0xc0; return b },
		"compressed cluster of":       func(b []byte) []byte { clear(b[len(b)-4000:]); return b },
		"a table begins at 13":        func(b []byte) []byte { b[47] = 13; return b },
		"ends past the end of the fi": func(b []byte) []byte { b[43] = 1; return b },
	} {
		d, err := qcow1.Open(testdisk.ReadOnly(change(bytes.Clone(good))), "image", nil)
		if err == nil {
			_, err = d.ReadAt(make([]byte, d.Size()), 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(build(imgtest.Content(1<<16, 1)))
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "qcow", b, make([]byte, 4096)) })
}
