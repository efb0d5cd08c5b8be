package cloop_test

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"

	"github.com/unboot/unboot/disk/cloop"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

var be = binary.BigEndian

// build makes an image of a content, in blocks of so many bytes.
func build(content []byte, block int) []byte {
	b := make([]byte, 128)
	copy(b, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n")
	n := len(content) / block
	b = be.AppendUint32(b, uint32(block))
	b = be.AppendUint32(b, uint32(n))
	var data []byte
	for i := range n + 1 {
		b = be.AppendUint64(b, uint64(136+8*(n+1)+len(data)))
		if i < n {
			var z bytes.Buffer
			w := zlib.NewWriter(&z)
			w.Write(content[i*block:][:block])
			w.Close()
			data = append(data, z.Bytes()...)
		}
	}
	return append(b, data...)
}

func TestQemu(t *testing.T) {
	testimg.Need(t, "qemu-img")
	for _, block := range []int{512, 65536, 1 << 20} {
		content := imgtest.Content(1<<20, 3)
		image := filepath.Join(imgtest.Write(t, map[string][]byte{"image": build(content, block)}), "image")
		imgtest.AsQemu(t, "cloop", "cloop", image)
		imgtest.Same(t, imgtest.Open(t, "cloop", image, false), content)
	}
}

func TestQemuSamples(t *testing.T) {
	testimg.Need(t, "qemu-img")
	imgtest.AsQemu(t, "cloop", "cloop", filepath.Join(imgtest.Samples(t, "simple-pattern.cloop"), "simple-pattern.cloop"))
}

func TestDamage(t *testing.T) {
	good := build(imgtest.Content(1<<18, 3), 65536)
	for want, change := range map[string]func(b []byte) []byte{
		"blocks of 65537 bytes": func(b []byte) []byte { b[131] = 1; return b },
		"header of 136 bytes":   func(b []byte) []byte { return b[:130] },
		"the table of offsets":  func(b []byte) []byte { return b[:150] },
		"was it truncated":      func(b []byte) []byte { return b[:len(b)/2] },
		"block 0 lies from":     func(b []byte) []byte { b[138] = 9; return b },
		"block 0 lies at":       func(b []byte) []byte { b[136] = 0xff; return b },
		"does not decompress":   func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		"block 1, of":           func(b []byte) []byte { clear(b[be.Uint64(b[144:]):]); return b },
	} {
		d, err := cloop.Open(testdisk.ReadOnly(change(bytes.Clone(good))), "image", nil)
		if err == nil {
			_, err = d.ReadAt(make([]byte, d.Size()), 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(build(imgtest.Content(1<<16, 1), 4096))
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "cloop", b, nil) })
}
