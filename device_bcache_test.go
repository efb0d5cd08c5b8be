package unboot_test

import (
	"slices"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testvol"
)

// TestBcache mounts what has a cache by the names that udev gives it. What is written to a
// device which is not attached to its cache is there again.
func TestBcache(t *testing.T) {
	const uuid = "/dev/bcache/by-uuid/f47d1e9a-7930-436f-8570-6685f0eb15a4"
	disks := testvol.Writable(t, "bcache")
	for i := range 2 {
		img := open(t, disks[0], unboot.AddDisk(disks[1]), unboot.Writable())
		d, err := img.Device(uuid)
		if err != nil || d.Name != "/dev/bcache0" || d.Kind != "bcache" || !slices.Contains(d.Aliases, uuid) {
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
