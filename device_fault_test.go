package unboot_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
)

// served opens a private copy of a fixture whose disks this program serves, for writing.
func served(t *testing.T, name string) (*unboot.Image, []*faultyDisk) {
	t.Helper()
	var list []*faultyDisk
	opts := []unboot.Option{unboot.Writable(), unboot.Keys(func(d *unboot.Device, try int) (volume.Key, error) {
		if try > 0 || d.Content == nil {
			return volume.Key{}, unboot.ErrNoKey
		}
		return phrase("secret"), nil
	})}
	for i, path := range testvol.Writable(t, name) {
		d := serve(t, path)
		list = append(list, d)
		opts = append(opts, unboot.AddDevice(fmt.Sprint("disk", i), d))
	}
	ctx, cancel := context.WithTimeout(context.Background(), rig.Deadline)
	t.Cleanup(cancel)
	img, err := unboot.Open(ctx, "", opts...)
	needKernel(t, err)
	rig.Check(t, "open", err)
	return img, list
}

// What a disk below a volume does not take any more is an error of fsync, and at the latest of
// Close; so is what was never synced.
func TestVolumeWriteFault(t *testing.T) {
	for name, node := range map[string]string{
		"lvm-linear": "/dev/vg0/span", "lvm-thin": "/dev/vgt/thin", "lvm-snapshot": "/dev/vgs/orig", "lvm-cache": "/dev/vgc/cached", "lvm-raid": "/dev/vgr/raid5",
		"md-levels": "/dev/md/r5", "luks2-default": "", "stack-lvm-on-luks": "/dev/vg/root", "integrity-crc32c": "",
	} {
		for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC} {
			for _, sync := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s %v %t", name, errno, sync), func(t *testing.T) {
					img, disks := served(t, name)
					if node == "" {
						for _, d := range img.Devices() {
							if d.Volume != nil {
								node = d.Name
							}
						}
					}
					f, err := img.Mount(node)
					rig.Check(t, "mount", err)
					rig.Check(t, "write", f.WriteFile("before", []byte("x"), 0o644))
					rig.Check(t, "sync", f.Sync())
					rig.Check(t, "write", f.WriteFile("after", make([]byte, 100_000), 0o644))
					for _, d := range disks {
						d.writeFault.Store(fault(errno))
					}
					if sync {
						if err := f.Sync(); err == nil {
							t.Error("Sync says it is written")
						}
					}
					if err := img.Close(); err == nil {
						t.Error("Close says it is written")
					} else {
						t.Log(err)
					}
				})
			}
		}
	}
}

// A disk that cannot be read makes its own volumes unusable, and no others; one of an array
// with redundancy is done without.
func TestVolumeReadFault(t *testing.T) {
	img, disks := served(t, "md-levels")
	disks[1].readFault.Store(fault(unix.EIO))
	for _, c := range testvol.Contents(t, "md-levels") {
		err := checkContent(img, c)
		redundant := !strings.HasSuffix(c.Node, "/r0") && !strings.HasSuffix(c.Node, "/linear")
		if redundant && err != nil {
			t.Errorf("%s: %v", c.Node, err)
		} else if !redundant && strings.HasSuffix(c.Node, "/r0") && err == nil {
			t.Errorf("%s is read without a disk", c.Node)
		}
	}
	if err := img.Close(); err != nil {
		t.Logf("close: %v", err)
	}
}

// The overlay of a disk below a volume is full: what does not go into it is an error, and
// the disks do not change.
func TestVolumeOverlayLimit(t *testing.T) {
	for _, name := range []string{"lvm-thin", "md-levels", "lvm-linear"} {
		disks := testvol.Unpack(t, name)
		for _, d := range disks {
			defer rig.Unchanged(t, d)()
		}
		img := openFixture(t, name, disks, unboot.Overlay("", 64<<10))
		var wrong []error
		for _, d := range img.Devices() {
			if d.Volume == nil {
				continue
			}
			fd, err := img.Kernel().Open(d.Name, unix.O_RDWR, 0)
			if err != nil {
				continue
			}
			_, err = img.Kernel().Pwrite(fd, make([]byte, 2<<20), 0)
			wrong = append(wrong, errors.Join(err, img.Kernel().Fsync(fd)))
			img.Kernel().CloseFd(fd)
		}
		failed := 0
		for _, err := range wrong {
			if err != nil {
				failed++
			}
		}
		if failed == 0 {
			t.Errorf("%s: all of %d volumes took more than there is room for", name, len(wrong))
		}
		if err := img.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What was written to a volume itself, and not synced, is written when the file is closed, or
// the image: one of them says that it was not.
func TestVolumeCloseFault(t *testing.T) {
	for name, node := range map[string]string{"md-versions": "/dev/sda", "lvm-linear": "/dev/vg0/span", "lvm-thin": "/dev/vgt/thin", "lvm-raid": "/dev/vgr/raid5", "md-levels": "/dev/md/r5"} {
		for _, closeFile := range []bool{true, false} {
			img, disks := served(t, name)
			d := nowDevice(t, img, node)
			f, err := d.Open(unix.O_RDWR)
			rig.Check(t, "open", err)
			for _, d := range disks {
				d.writeFault.Store(fault(unix.EIO))
			}
			_, err = f.WriteAt([]byte("more than that would not go through the kernel's cache"), 1<<20+77)
			var first error
			if closeFile {
				first = f.Close()
			}
			second := img.Close()
			if rig.Check(t, "write", err); first == nil && second == nil {
				t.Errorf("%s: nobody says that it was not written", node)
			}
			t.Logf("%s: %v; %v", node, first, second)
		}
	}
}
