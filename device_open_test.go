package unboot_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume/part"
)

func TestDeviceOpen(t *testing.T) {
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 8 << 20, Tree: true}))
	content := must(os.ReadFile(path))
	img := open(t, path)
	d := img.Devices()[0]
	f, err := d.Open(os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	if n, err := io.Copy(&all, f); err != nil || n != d.Size || all.String() != string(content) {
		t.Errorf("%d of %d bytes, %v; the same: %v", n, d.Size, err, all.String() == string(content))
	}
	buf := make([]byte, 4096)
	if n, err := f.ReadAt(buf, d.Size-100); n != 100 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if size, err := f.Size(); size != d.Size || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
	for flag, want := range map[int]error{
		os.O_RDWR: unix.EROFS, os.O_WRONLY: unix.EROFS, os.O_CREATE: fs.ErrInvalid, os.O_TRUNC: fs.ErrInvalid, os.O_APPEND: fs.ErrInvalid,
	} {
		if f, err := d.Open(flag); !errors.Is(err, want) {
			t.Errorf("flag %#x: %v, %v; want %v", flag, f, err, want)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.ReadAt(buf, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if f, err = d.Open(os.O_RDONLY); err != nil {
		t.Fatal(err)
	}
	if err := img.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ReadAt(buf, 0); err == nil {
		t.Error("read from a closed image")
	}
	if _, err := d.Open(os.O_RDONLY); !errors.Is(err, os.ErrClosed) {
		t.Errorf("of a closed image: %v", err)
	}
}

// Data written to a device is in the image; a mounted device cannot be written to.
func TestDeviceOpenForWriting(t *testing.T) {
	path := partitioned(t, oneDOS, 0, "")
	img := open(t, path, unboot.Writable())
	whole, d := img.Devices()[0], img.Devices()[1]
	fsys := must(img.Mount(d.Name))
	f, err := d.Open(os.O_RDWR)
	if pe, ok := errors.AsType[*fs.PathError](err); !ok || !errors.Is(err, unix.EBUSY) || pe.Path != d.Name || !strings.Contains(err.Error(), "unmount it first") {
		t.Errorf("what is mounted: %v, %v", f, err)
	}
	for _, o := range []*unboot.Device{d, whole} {
		if f, err := o.Open(os.O_RDONLY | os.O_EXCL); !errors.Is(err, unix.EBUSY) {
			t.Errorf("%s, exclusive: %v, %v", o.Name, f, err)
		}
	}
	if f, err = d.Open(os.O_RDONLY); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, err = whole.Open(os.O_RDWR); err != nil { // an editor of partition tables
		t.Fatal(err)
	}
	f.Close()
	if err := fsys.Unmount(); err != nil {
		t.Fatal(err)
	}
	if f, err = d.Open(os.O_RDWR | os.O_EXCL); err != nil {
		t.Fatal(err)
	}
	if _, err := img.Mount(d.Name); !errors.Is(err, unix.EBUSY) {
		t.Errorf("mounted what is open exclusively: %v", err)
	}
	if _, err := f.WriteAt([]byte("written"), 512); err != nil {
		t.Error(err)
	}
	if _, err := f.WriteAt([]byte("written"), d.Size); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("past the end: %v", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Error(err)
	}
	if f, err = d.Open(os.O_RDWR); err != nil { // left open
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("left"), 1024); err != nil {
		t.Error(err)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after the image was closed: %v", err)
	}
	image := must(os.ReadFile(path))
	start := d.Partition.Start
	if got := string(image[start+512:][:7]) + string(image[start+1024:][:4]); got != "writtenleft" {
		t.Errorf("the image has %q", got)
	}
}

// All devices of a btrfs are mounted if one of them is.
func TestDeviceOpenOfPool(t *testing.T) {
	testimg.Need(t, "mkfs.btrfs")
	path := shell(t, "a", "truncate -s 300M a b; mkfs.btrfs -q -f a b")
	img := open(t, path, unboot.AddDisk(path[:len(path)-1]+"b"), unboot.Writable())
	for _, d := range img.Devices() {
		if pool := d.Pool(); !slices.Equal(pool, img.Devices()) {
			t.Errorf("the pool of %s is %v", d.Name, pool)
		}
	}
	must(img.Mount("sda"))
	if f, err := img.Devices()[1].Open(os.O_RDWR); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "/dev/sda is mounted") {
		t.Errorf("%v, %v", f, err)
	}
}

// A value of a device that has moved does not open what has its name now.
func TestDeviceOpenOfOld(t *testing.T) {
	img := open(t, partitioned(t, oneDOS, 0, ""), unboot.Writable())
	d := img.Devices()[1]
	err := change(t, img, func(e *part.Editor) error {
		if err := e.Delete(1); err != nil {
			return err
		}
		return add(3, 4)(e)
	})
	if err != nil {
		t.Fatal(err)
	}
	if f, err := d.Open(os.O_RDONLY); !errors.Is(err, unboot.ErrNotFound) {
		t.Errorf("%v, %v", f, err)
	}
	f, err := img.Devices()[1].Open(os.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f, err := new(unboot.Device).Open(os.O_RDONLY); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("of no image: %v, %v", f, err)
	}
}
