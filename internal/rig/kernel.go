package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Deadline bounds the life of every kernel that [Boot] starts: a test that
// hangs fails with the kernel's log instead.
const Deadline = 100 * time.Second

var errDeadline = errors.New("the test's kernel ran for too long")

// Boot starts a kernel that is killed when the test ends. Without a kernel
// image the test is skipped.
func Boot(t testing.TB, cfg *lkl.Config) *lkl.Kernel {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(context.Background(), Deadline, errDeadline)
	t.Cleanup(cancel)
	k, err := BootContext(ctx, cfg)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("boot: %+v", err)
	}
	t.Cleanup(k.Kill)
	return k
}

// BootContext starts a kernel with what [Mount] needs.
func BootContext(ctx context.Context, cfg *lkl.Config) (*lkl.Kernel, error) {
	k, err := lkl.Boot(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := prepare(k); err != nil {
		k.Kill()
		return nil, err
	}
	return k, nil
}

func prepare(k *lkl.Kernel) error {
	for _, m := range []struct{ dir, fstype string }{
		{"/dev", "devtmpfs"}, {"/sys", "sysfs"}, {"/proc", "proc"}, {"/mnt", ""},
	} {
		if err := k.Mkdirat(unix.AT_FDCWD, m.dir, 0o755); err != nil && err != unix.EEXIST {
			return fmt.Errorf("mkdir %s: %w", m.dir, err)
		}
		if m.fstype == "" {
			continue
		}
		if err := k.Mount(m.fstype, m.dir, m.fstype, 0, ""); err != nil && err != unix.EBUSY {
			return fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	return nil
}

// Open opens a file of the host until the test ends.
func Open(t testing.TB, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Attach attaches an image for writing.
func Attach(t testing.TB, k *lkl.Kernel, image string) (disk string) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	disk, err = k.AttachDisk(lkl.Disk{File: f})
	if err != nil {
		t.Fatalf("attach: %+v", err)
	}
	return disk
}

// AttachOverlay attaches an image with an overlay in memory.
func AttachOverlay(k *lkl.Kernel, image string, limit int64) (disk string, err error) {
	f, err := os.Open(image)
	if err != nil {
		return "", err
	}
	defer f.Close()
	overlay, err := lkl.NewOverlay("")
	if err != nil {
		return "", err
	}
	defer overlay.Close()
	return k.AttachDisk(lkl.Disk{File: f, ReadOnly: true, Overlay: overlay, OverlayLimit: limit})
}

// Detach detaches a disk. What the kernel closes in the background, after a
// search for partitions or an unmount, may hold it for some milliseconds, and
// until the worker that did so has made another call.
func Detach(k *lkl.Kernel, disk string) (err error) {
	for range 100 {
		if err = k.DetachDisk(disk); err != unix.EBUSY {
			break
		}
		k.Sync()
		time.Sleep(2 * time.Millisecond)
	}
	return err
}

// Driver returns the kernel's name of a type that testimg or blkid names.
func Driver(fstype string) string {
	switch fstype {
	case "fat12", "fat16", "fat32":
		return "vfat"
	case "ntfs":
		return "ntfs3"
	case "joliet":
		return "iso9660"
	case "ufs1", "ufs2":
		return "ufs"
	}
	return fstype
}

// Mount mounts a disk at /mnt/DISK and returns that directory. The error holds
// what the kernel logged.
func Mount(k *lkl.Kernel, disk, driver string, flags uintptr, data string) (dir string, err error) {
	dir = "/mnt/" + disk
	if err := k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil && err != unix.EEXIST {
		return "", err
	}
	if err := k.Mount("/dev/"+disk, dir, driver, flags, data); err != nil {
		if k.Err() != nil {
			return "", err
		}
		return "", fmt.Errorf("mount %s as %s (%s): %w\n%s", disk, driver, data, err, LastLog(k, 12))
	}
	return dir, nil
}

// LastLog returns the last lines of the kernel's log.
func LastLog(k *lkl.Kernel, lines int) string {
	l := strings.Split(strings.TrimSpace(k.Dmesg()), "\n")
	return strings.Join(l[max(0, len(l)-lines):], "\n")
}

// Check ends the test if there is an error.
func Check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %+v", what, err)
	}
}
