package vhdx_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/vhdx"
	"github.com/unboot/unboot/internal/testimg"
)

// Images that we created are written to by QEMU and us in turn.
func TestCreate(t *testing.T) {
	for i, o := range []disk.CreateOptions{
		{Size: 512},
		{Size: 5<<20 + 512, Kind: "dynamic", ClusterSize: 1 << 20},
		{Size: 17 << 20, Kind: "fixed", ClusterSize: 1 << 20},
		{Size: 9<<20 + 7*512, Kind: "fixed"},
		{Size: 10<<20 - 3, ClusterSize: 2 << 20},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			image := filepath.Join(t.TempDir(), "image.vhdx")
			imgtest.Create(t, "vhdx", image, o)
			size := (o.Size + 511) &^ 511
			if out := testimg.MustRun(t, "qemu-img", "info", "-f", "vhdx", image); !strings.Contains(out, fmt.Sprintf("(%d bytes)", size)) {
				t.Error(out)
			}
			p := imgtest.New("vhdx", image, make([]byte, size), 1<<20, uint64(i))
			p.Compare(t)
			p.Run(t, 3)
			testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vhdx", image)
			imgtest.CheckErrors(t, "vhdx", image)
		})
	}
}

// Disks of no size, and of the largest.
func TestCreateSizes(t *testing.T) {
	for _, size := range []int64{0, 1 << 40, 64 << 40} {
		image := filepath.Join(t.TempDir(), "image.vhdx")
		imgtest.Create(t, "vhdx", image, disk.CreateOptions{Size: size})
		if size > 0 { // of none, QEMU wants a table of 64 MiB
			testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vhdx", image)
		}
		d := imgtest.Open(t, "vhdx", image, true)
		if d.Size() != size {
			t.Errorf("%d bytes, want %d", d.Size(), size)
		}
		if size > 0 {
			if _, err := d.WriteAt([]byte("the end"), size-7); err != nil {
				t.Error(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if size > 0 {
			testimg.MustRun(t, "qemu-io", "-f", "vhdx", "-c", fmt.Sprintf("read -P 0x64 %d 1", size-1), image)
			if out := testimg.MustRun(t, "qemu-io", "-f", "vhdx", "-c", fmt.Sprintf("read -v %d 7", size-7), image); !strings.Contains(out, "the.end") {
				t.Error(out)
			}
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	for want, o := range map[string]disk.CreateOptions{
		`of the kind "fat"`:         {Size: 512, Kind: "fat"},
		"a disk of -512 bytes":      {Size: -512},
		"images have up to":         {Size: 1 << 50},
		"blocks of 4096 bytes":      {Size: 512, ClusterSize: 4096},
		"blocks of 3145728 bytes":   {Size: 512, ClusterSize: 3 << 20},
		`compression "zlib"`:        {Size: 512, Compression: "zlib"},
		`preallocation "full"`:      {Size: 512, Preallocate: "full"},
		"version 3 of VHDX":         {Size: 512, Version: 3},
		`is one too: "x" is not`:    {Size: 512, Backing: "x"},
		"a fixed VHDX image has no": {Size: 512, Backing: "x", Kind: "fixed"},
	} {
		imgtest.CreateFails(t, "vhdx", o, want)
	}
}

// A chain of differencing images is read and written through its parents, which must be
// those that the images were made on, and must not have changed.
func TestDifferencingPrograms(t *testing.T) {
	dir := t.TempDir()
	size := int64(9<<20 + 512)
	content := make([]byte, size)
	base, image, top := filepath.Join(dir, "base.vhdx"), filepath.Join(dir, "image.vhdx"), filepath.Join(dir, "top.vhdx")
	imgtest.Create(t, "vhdx", base, disk.CreateOptions{Size: size, ClusterSize: 1 << 20})
	imgtest.New("vhdx", base, content, 1<<20, 1).Run(t, 2)
	overlay := func(image, base string, size int64) {
		parent := imgtest.Open(t, "vhdx", base, false)
		defer parent.Close()
		imgtest.Create(t, "vhdx", image, disk.CreateOptions{Size: size, Backing: filepath.Base(base), Parent: parent, ClusterSize: 1 << 20})
	}
	overlay(image, base, 0)
	for seed := range uint64(4) {
		imgtest.New("vhdx", image, content, 1<<20, seed).RunOurs(t, 2)
		imgtest.CheckErrors(t, "vhdx", image)
	}
	size += 3 << 20
	content = append(content, make([]byte, 3<<20)...)
	overlay(top, image, size) // larger than what is below
	for seed := range uint64(4) {
		imgtest.New("vhdx", top, content, 1<<20, 10+seed).RunOurs(t, 2)
	}
	d := imgtest.Open(t, "vhdx", base, true)
	if _, err := d.WriteAt(make([]byte, 512), 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := imgtest.TryOpen("vhdx", top); !errors.Is(err, vhdx.ErrParent) || !strings.Contains(err.Error(), image) {
		t.Errorf("a parent that was written to: %v", err)
	}
}
