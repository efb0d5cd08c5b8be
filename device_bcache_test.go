package unboot_test

import (
	"slices"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// TestBcache mounts what is not attached to a cache by the names that udev gives it. What is
// written to it is there again.
func TestBcache(t *testing.T) {
	testimg.Need(t, "make-bcache", "mkfs.ext4")
	disk := shell(t, "i", "truncate -s 32M i; make-bcache -B i >/dev/null; mkfs.ext4 -qF -E offset=8192 i 32760k")
	for i := range 2 {
		img := open(t, disk, unboot.Writable())
		alias := "/dev/bcache/by-uuid/" + nowDevice(t, img, "/dev/sda").Content.UUID
		d := nowDevice(t, img, alias)
		if d.Name != "/dev/bcache0" || d.Kind != "bcache" || !slices.Contains(d.Aliases, alias) {
			t.Fatalf("%+v\n%s", d, describe(img))
		}
		f, err := img.Mount(alias)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			err = f.WriteFile("new", []byte("text"), 0o644)
		} else {
			wantFile(t, f, "new", "text")
		}
		if err != nil {
			t.Error(err)
		}
		if err := f.Unmount(); err != nil {
			t.Error(err)
		}
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestBcacheDirty opens a device whose cache has newer data by force alone, and only to read.
func TestBcacheDirty(t *testing.T) {
	img := openDisks(t, testvol.Writable(t, "bcache"), unboot.Writable(), unboot.ForceDirty())
	if d := nowDevice(t, img, "/dev/bcache0"); !d.Volume.ReadOnly || len(d.Volume.Problems) != 1 {
		t.Errorf("%+v", d)
	}
}
