package crash

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// fill writes until an error. The page cache accepts more than the disk has room for, so
// it syncs as it goes.
func fill(k *lkl.Kernel, dir string) (written int64, err error) {
	fd, err := k.Open(dir+"/fill", unix.O_CREAT|unix.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer k.CloseFd(fd)
	data := testimg.Pattern(1<<20, 9)
	for {
		n, err := k.Pwrite(fd, data, written)
		written += int64(max(n, 0))
		if err == nil {
			err = k.Fsync(fd)
		}
		if err != nil {
			return written, err
		}
	}
}

// fullTypes are mounted on disks that run full.
var fullTypes = []string{"ext4", "xfs", "btrfs", "f2fs", "vfat"}

func testFull(t *testing.T, fstype string, k *lkl.Kernel, disk string) {
	t.Helper()
	dir, err := rig.Mount(k, disk, fstype, 0, "")
	rig.Check(t, "mount", err)
	n, err := fill(k, dir)
	t.Logf("after %d bytes: %v", n, err)
	var errno unix.Errno
	if !errors.As(err, &errno) {
		t.Fatalf("no error number: %+v", err)
	}
	if k.Err() != nil {
		t.Fatalf("the kernel ended: %+v", k.Err())
	}
	if n < 1<<20 {
		t.Errorf("only %d bytes could be written", n)
	}
	// The kernel still works, with this file system as far as that can.
	if _, wrong := walk(&k.View, dir); len(wrong) > 0 {
		t.Logf("walk: %q", wrong)
	}
	if err := k.Unmount(dir, 0); err != nil {
		t.Logf("unmount: %v", err)
	}
	if err := k.Close(); err != nil {
		t.Errorf("close: %+v", err)
	}
}

// TestFullOverlay: the overlay of a read-only image has a limit.
func TestFullOverlay(t *testing.T) {
	for _, fstype := range fullTypes {
		t.Run(fstype, func(t *testing.T) {
			image := testimg.FS(t, fstype, testimg.Options{})
			unchanged := rig.Unchanged(t, image)
			k := rig.Boot(t, nil)
			disk, err := rig.AttachOverlay(k, image, 6<<20)
			rig.Check(t, "attach", err)
			testFull(t, fstype, k, disk)
			unchanged()
		})
	}
}

// TestFullHost: the host's file system that holds a sparse image is full.
func TestFullHost(t *testing.T) {
	testimg.NeedRoot(t)
	for _, fstype := range fullTypes {
		t.Run(fstype, func(t *testing.T) {
			image := testimg.FS(t, fstype, testimg.Options{})
			dir := t.TempDir()
			var st unix.Stat_t
			rig.Check(t, "stat", unix.Stat(image, &st))
			size := fmt.Sprintf("size=%d", st.Blocks*512+8<<20)
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, size); err != nil {
				t.Skip("mount: ", err)
			}
			defer func() {
				if err := unix.Unmount(dir, 0); err != nil {
					t.Errorf("unmount of the host's: %v", err)
				}
			}()
			rig.Check(t, "copy", testimg.Copy(image, dir+"/image"))
			k := rig.Boot(t, nil)
			disk := rig.Attach(t, k, dir+"/image")
			testFull(t, fstype, k, disk)
		})
	}
}

// TestFullHostOverlay: so is the one that holds an overlay file.
func TestFullHostOverlay(t *testing.T) {
	testimg.NeedRoot(t)
	image := testimg.FS(t, "ext4", testimg.Options{})
	unchanged := rig.Unchanged(t, image)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skip("mount: ", err)
	}
	defer func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmount of the host's: %v", err)
		}
	}()
	overlay, err := lkl.NewOverlay(dir)
	rig.Check(t, "overlay", err)
	defer overlay.Close()
	k := rig.Boot(t, nil)
	disk, err := k.AttachDisk(lkl.Disk{File: rig.Open(t, image, os.O_RDONLY), ReadOnly: true, Overlay: overlay})
	rig.Check(t, "attach", err)
	testFull(t, "ext4", k, disk)
	overlay.Close()
	unchanged()
}
