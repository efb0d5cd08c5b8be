package unboot_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// TestLostWrites has tools write what the disk does not take: each ends well, and the command's end or
// that of the image has the error.
func TestLostWrites(t *testing.T) {
	testimg.NeedRoot(t)
	testimg.Need(t, "mkfs.ext4")
	dir := t.TempDir()
	rig.Check(t, "tmpfs", unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	path := filepath.Join(dir, "image")
	for name, script := range map[string]string{
		"device":    "head -c 20M /dev/zero | tr '\\0' x >/dev/sda",
		"mounted":   "mount /dev/sda /mnt; head -c 20M /dev/zero | tr '\\0' x >/mnt/file",
		"unmounted": "mount /dev/sda /mnt; head -c 20M /dev/zero | tr '\\0' x >/mnt/file; umount /mnt",
	} {
		for _, served := range []bool{false, true} {
			rig.Check(t, "write", os.WriteFile(path, nil, 0o600))
			rig.Check(t, "truncate", os.Truncate(path, 64<<20))
			testimg.MustRun(t, "mkfs.ext4", "-q", "-F", path)
			var img *unboot.Image
			if served {
				img = open(t, "", unboot.AddDevice("served", serve(t, path)), unboot.Writable())
			} else {
				img = open(t, path, unboot.Writable())
			}
			if err := img.Tool("true").Run(); err != nil {
				t.Skip("no tools: ", err)
			}
			err := img.Tool("sh", "-ec", script+"; sync; true").Run()
			if exit := (*unboot.ExitError)(nil); errors.As(err, &exit) {
				t.Errorf("%s: %v", name, err)
			}
			err = errors.Join(err, img.Close())
			if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "not everything was written") || served && !strings.Contains(err.Error(), "disk served, write at ") {
				t.Errorf("%s, served %t: %v", name, served, err)
			}
		}
	}
}

// TestLostWritesOnce is an image whose disk takes everything again after it was told of a loss.
func TestLostWritesOnce(t *testing.T) {
	d := serve(t, testimg.Writable(t, blank(t, "ext4")))
	img := open(t, "", unboot.AddDevice("faulty", d), unboot.Writable())
	if err := img.Tool("true").Run(); err != nil {
		t.Skip("no tools: ", err)
	}
	write := func() error {
		return img.Tool("dd", "if=/etc/passwd", "of=/dev/sda", "bs=4096", "seek=100", "conv=notrunc").Run()
	}
	rig.Check(t, "write", write())
	// What could not be read before is not the reason.
	d.readFault.Store(fault(unix.EIO))
	d.writeFault.Store(fault(unix.ENOSPC))
	err := img.Tool("sh", "-c", "! dd if=/dev/sda of=/dev/null iflag=direct bs=4096 skip=3000 count=1 2>/dev/null && "+
		"dd if=/dev/zero of=/dev/sda bs=4096 seek=100 count=1 conv=notrunc").Run()
	if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "disk faulty, write at ") {
		t.Error(err)
	}
	d.readFault.Store(nil)
	d.writeFault.Store(nil)
	rig.Check(t, "write again", write())
	rig.Check(t, "close", img.Close())
}
