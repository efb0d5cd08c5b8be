package qed_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/qed"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

func TestQemu(t *testing.T) {
	for i, options := range []string{"cluster_size=65536", "cluster_size=4096,table_size=4", "cluster_size=1048576,table_size=16"} {
		for _, size := range []int{3<<20 + 512, 512} {
			content := imgtest.Content(size, uint64(i))
			image := imgtest.Convert(t, content, "qed", "-o", options)
			imgtest.Same(t, imgtest.Open(t, "qed", image, false), content)
			testimg.MustRun(t, "qemu-io", "-t", "unsafe", "-f", "qed", "-c", "write -z 0 512", image)
			clear(content[:512])
			imgtest.Same(t, imgtest.Open(t, "qed", image, false), content)
		}
	}
}

// A backing file is read where the image has nothing, if that is allowed.
func TestBacking(t *testing.T) {
	content := imgtest.Content(1<<20, 5)
	for _, format := range []string{"qed", "raw"} {
		content := bytes.Clone(content)
		base := imgtest.Convert(t, content, format)
		image := imgtest.Overlay(t, "qed", base, format, "100k", "30k")
		testimg.MustRun(t, "qemu-io", "-t", "unsafe", "-f", "qed", "-c", "write -z 512k 64k", image)
		copy(content[100<<10:], bytes.Repeat([]byte{0x5a}, 30<<10))
		clear(content[512<<10 : 576<<10])
		imgtest.Same(t, imgtest.Open(t, "qed", image, false), content)
		if _, err := source.Open(context.Background(), image, source.Options{}); !errors.Is(err, disk.ErrNotAllowed) {
			t.Error(err)
		}
	}
}

func TestDamage(t *testing.T) {
	image := imgtest.Convert(t, imgtest.Content(1<<20, 5), "qed")
	good, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(b []byte) []byte{
		"clusters of 65537 bytes":      func(b []byte) []byte { b[4] = 1; return b },
		"tables of 3 clusters":         func(b []byte) []byte { b[8] = 3; return b },
		"features that are not known":  func(b []byte) []byte { b[17] = 1; return b },
		"was it truncated":             func(b []byte) []byte { return b[:len(b)/2] },
		"the name of the backing file": func(b []byte) []byte { b[16], b[61] = 1, 9; return b },
		"header of 64 bytes":           func(b []byte) []byte { return b[:40] },
		"with a table at":              func(b []byte) []byte { b[40] = 9; return b },
		"as the place of a cluster":    func(b []byte) []byte { b[65536] = 9; return b },
		"a table lies at 1":            func(b []byte) []byte { clear(b[65536:65544]); b[65536] = 1; return b },
		"with tables of 32768 entries": func(b []byte) []byte { b[55] = 0x7f; return b },
	} {
		d, err := qed.Open(testdisk.ReadOnly(change(bytes.Clone(good))), "image", nil)
		if err == nil {
			_, err = d.ReadAt(make([]byte, d.Size()), 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	testimg.Need(f, "qemu-img")
	for _, options := range []string{"cluster_size=65536", "cluster_size=4096,table_size=4"} {
		b, err := os.ReadFile(imgtest.Convert(f, imgtest.Content(1<<16, 1), "qed", "-o", options))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "qed", b, make([]byte, 4096)) })
}
