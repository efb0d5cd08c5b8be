package vdi_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"context"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/disk/vdi"
	"github.com/unboot/unboot/internal/testimg"
)

// Images that we created are written to by QEMU and us in turn.
func TestCreate(t *testing.T) {
	for i, size := range []int64{0, 512, 5<<20 + 512, 16 << 20} {
		for _, kind := range []string{"", "static"} {
			t.Run(fmt.Sprint(size, " ", kind), func(t *testing.T) {
				t.Parallel()
				image := filepath.Join(t.TempDir(), "image.vdi")
				imgtest.Create(t, "vdi", image, disk.CreateOptions{Size: size, Kind: kind})
				p := imgtest.New("vdi", image, make([]byte, size), 1<<20, uint64(i))
				if size == 0 {
					d := imgtest.Open(t, "vdi", image, true)
					if d.Size() != 0 {
						t.Error(d.Size())
					}
					d.Close()
				} else {
					p.Compare(t)
					p.Run(t, 2)
				}
				testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vdi", image)
				imgtest.CheckClean(t, "vdi", image)
			})
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	for want, o := range map[string]disk.CreateOptions{
		`of the kind "fat"`:      {Size: 512, Kind: "fat"},
		"a disk of -512 bytes":   {Size: -512},
		"images have up to":      {Size: 1 << 50},
		"blocks of 4096 bytes":   {Size: 512, ClusterSize: 4096},
		`compression "zlib"`:     {Size: 512, Compression: "zlib"},
		`preallocation "full"`:   {Size: 512, Preallocate: "full"},
		"version 3 of VDI":       {Size: 512, Version: 3},
		`is one too: "x" is not`: {Size: 512, Backing: "x"},
	} {
		imgtest.CreateFails(t, "vdi", o, want)
	}
}

// A differencing image is read and written through its parent, which is found by its UUID,
// must be the one that the image was made on, and must not have changed.
func TestDifferencing(t *testing.T) {
	dir := t.TempDir()
	size := int64(5<<20 + 512)
	content := make([]byte, size)
	base, image := filepath.Join(dir, "base.vdi"), filepath.Join(dir, "image.vdi")
	imgtest.Create(t, "vdi", base, disk.CreateOptions{Size: size})
	imgtest.New("vdi", base, content, 1<<20, 1).Run(t, 2)
	parent := imgtest.Open(t, "vdi", base, false)
	uuid := parent.(*vdi.Image).Header().Create
	imgtest.Create(t, "vdi", image, disk.CreateOptions{Backing: base, Parent: parent})
	parent.Close()

	all := func(disk.Reference) error { return nil }
	_, err := source.Open(context.Background(), image, source.Options{Allow: all})
	if !errors.Is(err, vdi.ErrParent) || !strings.Contains(err.Error(), image) || !strings.Contains(err.Error(), "name it {"+uuid.String()+"}.vdi") {
		t.Errorf("a parent that is not found: %v", err)
	}
	if _, err := source.Open(context.Background(), image, source.Options{}); !errors.Is(err, disk.ErrNotAllowed) {
		t.Errorf("a parent that is not allowed: %v", err)
	}
	link := filepath.Join(dir, "{"+uuid.String()+"}.vdi")
	if err := os.Symlink("base.vdi", link); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(4) {
		imgtest.New("vdi", image, content, 1<<20, seed).RunOurs(t, 2)
		imgtest.CheckClean(t, "vdi", image)
	}
	d := imgtest.Open(t, "vdi", base, true)
	if _, err := d.WriteAt(make([]byte, 512), 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(context.Background(), image, source.Options{Allow: all}); !errors.Is(err, vdi.ErrParent) || !strings.Contains(err.Error(), "has been written to since") {
		t.Errorf("a parent that was written to: %v", err)
	}
	os.Remove(link)
	other := filepath.Join(dir, "other.vdi")
	imgtest.Create(t, "vdi", other, disk.CreateOptions{Size: size})
	if err := os.Symlink("other.vdi", link); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(context.Background(), image, source.Options{Allow: all}); !errors.Is(err, vdi.ErrParent) || !strings.Contains(err.Error(), "another one") {
		t.Errorf("another parent: %v", err)
	}
}

// Places without a block, as after a loss of power, are found and repaired.
func TestRepair(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image.vdi")
	size := int64(9 << 20)
	imgtest.Create(t, "vdi", image, disk.CreateOptions{Size: size})
	content := make([]byte, size)
	p := imgtest.New("vdi", image, content, 1<<20, 3)
	d := imgtest.Open(t, "vdi", image, true)
	for i := range content {
		content[i] = byte(i>>20) + byte(i>>9) + 1
	}
	for _, block := range []int64{8, 1, 5, 2, 0, 7} {
		if _, err := d.WriteAt(content[block<<20:][:1<<20], block<<20); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	set := func(block int64, value uint32) {
		var b [4]byte
		binary.LittleEndian.PutUint32(b[:], value)
		if _, err := f.WriteAt(b[:], 512+block*4); err != nil {
			t.Fatal(err)
		}
	}
	// Blocks 1 and 2, in the places 1 and 3, were not noted.
	set(1, 0xffffffff)
	set(2, 0xfffffffe)
	for _, block := range []int64{1, 2, 3, 4, 6} {
		clear(content[block<<20:][:1<<20])
	}
	r, err := disk.OpenRaw(image, disk.Options{Writable: true, AnyFormat: true})
	if err != nil {
		t.Fatal(err)
	}
	for repair, want := range []disk.CheckResult{{Leaks: 2}, {Leaks: 2, LeaksFixed: 2}, {}} {
		got, err := vdi.Check(r, image, disk.Repair(repair))
		got.Problems = nil
		if fmt.Sprint(got) != fmt.Sprint(want) || err != nil {
			t.Errorf("repair %d: %+v, %v", repair, got, err)
		}
	}
	testimg.MustRun(t, "qemu-img", "check", "-U", "-q", "-f", "vdi", image)
	set(3, 2)
	set(4, 50)
	if got, err := vdi.Check(r, image, disk.RepairAll); err != nil || got.Errors != 2 || got.ErrorsFixed != 0 {
		t.Errorf("two blocks in a place: %+v, %v", got, err)
	}
	set(3, 0xffffffff)
	set(4, 0xffffffff)
	f.Close()
	r.Close()
	p.Run(t, 2)
}
