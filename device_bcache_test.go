package unboot_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// TestBcache mounts what can have a cache, and has none, by the names that udev gives it.
// What is written to it is there again.
func TestBcache(t *testing.T) {
	testimg.Need(t, "make-bcache")
	disk := filepath.Join(t.TempDir(), "disk")
	fsys, err := os.ReadFile(testimg.FS(t, "ext4", testimg.Options{Size: 8 << 20}))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(disk, append(make([]byte, 8<<10), fsys...), 0o644); err != nil {
		t.Fatal(err)
	}
	out := testimg.MustRun(t, "make-bcache", "-B", disk)
	uuid := "/dev/bcache/by-uuid/" + string(regexp.MustCompile(`(?m)^UUID:\s*(\S+)`).FindSubmatch([]byte(out))[1])
	for i := range 2 {
		img := open(t, disk, unboot.Writable())
		d, err := img.Device(uuid)
		if err != nil || d.Name != "/dev/bcache0" || d.Kind != "bcache" || d.Size != int64(len(fsys)) || !slices.Contains(d.Aliases, uuid) {
			t.Fatalf("%+v, %v\n%s", d, err, describe(img))
		}
		f, err := img.Mount(uuid)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			err = f.WriteFile("new", []byte("text"), 0o644)
		} else if got, err := f.ReadFile("new"); err != nil || string(got) != "text" {
			t.Errorf("%q, %v", got, err)
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

// TestBcacheDirty opens a device whose cache has newer data only if that is forced, and not
// for writing, whatever the image is opened for.
func TestBcacheDirty(t *testing.T) {
	disks := testvol.Writable(t, "bcache")
	for _, opts := range [][]unboot.Option{nil, {unboot.ForceDirty()}, {unboot.ForceDirty(), unboot.Writable()}} {
		img := open(t, disks[0], append(opts, unboot.AddDisk(disks[1]))...)
		d, err := img.Device("/dev/bcache0")
		if (err == nil) != (opts != nil) {
			t.Errorf("%v\n%s", err, describe(img))
		}
		if err := checkInactive(img, "/dev/bcache0", "its cache on /dev/sdb may have newer data"); (err == nil) != (opts == nil) {
			t.Error(err)
		}
		if d != nil && (len(d.Problems) == 0 || d.Volume.ReadOnly != (len(opts) == 2)) {
			t.Errorf("%+v", d)
		}
		img.Close()
	}
	img := open(t, disks[0])
	if err := checkInactive(img, "/dev/bcache0", "its cache (set 14be7986-9250-4463-b3b3-da43c420b9e9), which is not there"); err != nil {
		t.Error(err)
	}
	unchanged := rig.Unchanged(t, disks[0])
	img.Close()
	unchanged()
}
