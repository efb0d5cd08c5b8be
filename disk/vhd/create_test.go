package vhd_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/vhd"
	"github.com/unboot/unboot/internal/testimg"
)

// Images that we created have the size that was asked for, whatever their geometry is, for
// QEMU too, and are written to by QEMU and us in turn.
func TestCreate(t *testing.T) {
	for i, size := range []int64{0, 512, 5<<20 + 512, 9<<20 - 3, 17 << 20} {
		for _, kind := range []string{"", "fixed"} {
			t.Run(fmt.Sprint(size, " ", kind), func(t *testing.T) {
				t.Parallel()
				image := filepath.Join(t.TempDir(), "image.vhd")
				imgtest.Create(t, "vpc", image, disk.CreateOptions{Size: size, Kind: kind})
				size := (size + 511) &^ 511
				p := imgtest.New("vpc", image, make([]byte, size), 2<<20, uint64(i))
				if size == 0 {
					d := imgtest.Open(t, "vpc", image, true)
					if d.Size() != 0 {
						t.Error(d.Size())
					}
					d.Close()
					return
				}
				if out := testimg.MustRun(t, "qemu-img", "info", "-f", "vpc", image); !strings.Contains(out, fmt.Sprintf("(%d bytes)", size)) {
					t.Error(out)
				}
				p.Compare(t)
				p.Run(t, 3)
				imgtest.CheckErrors(t, "vpc", image)
			})
		}
	}
}

// The largest disks, and those whose geometry is at a bound.
func TestCreateSizes(t *testing.T) {
	const largest = 0xff000000 * 512
	for _, size := range []int64{65535 * 16 * 63 * 512, 65535 * 16 * 255 * 512, 65535*16*255*512 + 512, 1 << 40, largest} {
		image := filepath.Join(t.TempDir(), "image.vhd")
		imgtest.Create(t, "vpc", image, disk.CreateOptions{Size: size})
		if out := testimg.MustRun(t, "qemu-img", "info", "-f", "vpc", image); !strings.Contains(out, fmt.Sprintf("(%d bytes)", size)) {
			t.Error(out)
		}
		d := imgtest.Open(t, "vpc", image, true)
		if d.Size() != size {
			t.Errorf("%d bytes, want %d", d.Size(), size)
		}
		if _, err := d.WriteAt([]byte("the.end"), size-7); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if out := testimg.MustRun(t, "qemu-io", "-f", "vpc", "-c", fmt.Sprintf("read -v %d 7", size-7), image); !strings.Contains(out, "the.end") {
			t.Error(out)
		}
	}
	imgtest.CreateFails(t, "vpc", disk.CreateOptions{Size: largest + 512}, "VHD images have up to 2190433320960")
}

func TestCreateRefuses(t *testing.T) {
	for want, o := range map[string]disk.CreateOptions{
		`of the kind "fat"`:        {Size: 512, Kind: "fat"},
		"a disk of -512 bytes":     {Size: -512},
		"images have up to":        {Size: 1 << 50},
		"blocks of 4096 bytes":     {Size: 512, ClusterSize: 4096},
		`compression "zlib"`:       {Size: 512, Compression: "zlib"},
		`preallocation "full"`:     {Size: 512, Preallocate: "full"},
		"version 3 of VHD":         {Size: 512, Version: 3},
		`is one too: "x" is not`:   {Size: 512, Backing: "x"},
		"a fixed VHD image has no": {Size: 512, Backing: "x", Kind: "fixed"},
	} {
		imgtest.CreateFails(t, "vpc", o, want)
	}
}

// A chain of differencing images is read and written through its parents, which are
// found by the names that stand in them.
func TestDifferencingPrograms(t *testing.T) {
	dir := t.TempDir()
	size := int64(9<<20 + 512)
	content := make([]byte, size)
	base := filepath.Join(dir, "base.vhd")
	imgtest.Create(t, "vpc", base, disk.CreateOptions{Size: size})
	imgtest.New("vpc", base, content, 2<<20, 1).Run(t, 2)
	below := base
	for i, name := range []string{"./base.vhd", filepath.Join(dir, "one two.vhd")} {
		image := filepath.Join(dir, []string{"one two.vhd", "top.vhd"}[i])
		parent := imgtest.Open(t, "vpc", below, false)
		imgtest.Create(t, "vpc", image, disk.CreateOptions{Backing: name, Parent: parent})
		parent.Close()
		for seed := range uint64(4) {
			imgtest.New("vpc", image, content, 2<<20, seed).RunOurs(t, 2)
			imgtest.CheckErrors(t, "vpc", image)
		}
		below = image
	}
	other := filepath.Join(dir, "other.vhd")
	imgtest.Create(t, "vpc", other, disk.CreateOptions{Size: size})
	if err := testimg.Copy(other, base); err != nil {
		t.Fatal(err)
	}
	if _, err := imgtest.TryOpen("vpc", below); !errors.Is(err, vhd.ErrParent) {
		t.Errorf("another parent: %v", err)
	}
}
