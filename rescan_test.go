package unboot_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume/part"
)

// node is a block device of the kernel.
type node struct {
	img *unboot.Image
	fd  int
}

func openNode(t *testing.T, img *unboot.Image, name string) node {
	t.Helper()
	fd, err := img.Kernel().Open(name, unix.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	return node{img, fd}
}

func (n node) ReadAt(p []byte, off int64) (int, error)  { return n.img.Kernel().Pread(n.fd, p, off) }
func (n node) WriteAt(p []byte, off int64) (int, error) { return n.img.Kernel().Pwrite(n.fd, p, off) }
func (n node) close()                                   { n.img.Kernel().CloseFd(n.fd) }
func (n node) Sync() error                              { return n.img.Kernel().Fsync(n.fd) }

// change edits the partition table of a disk through the kernel.
func change(t *testing.T, img *unboot.Image, f func(e *part.Editor) error) error {
	t.Helper()
	n := openNode(t, img, "/dev/sda")
	defer n.close()
	e, err := part.Edit(n, img.Disks()[0].Size, part.EditOptions{})
	if errors.Is(err, part.ErrNoTable) {
		e, err = part.New("gpt", img.Disks()[0].Size, part.EditOptions{})
	}
	if err == nil {
		err = f(e)
	}
	if err == nil {
		err = e.Commit(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return img.Rescan()
}

func add(start, size int64) func(e *part.Editor) error {
	return func(e *part.Editor) error {
		_, err := e.Add(part.Spec{Start: start << 20, Size: size << 20})
		return err
	}
}

func wantDevices(t *testing.T, img *unboot.Image, want ...string) {
	t.Helper()
	var got []string
	for _, d := range img.Devices() {
		got = append(got, fmt.Sprintf("%s %d+%d", d, d.Start>>20, d.Size>>20))
	}
	if !slices.Equal(got, want) {
		t.Errorf("devices are %q, want %q", got, want)
	}
}

func TestRescan(t *testing.T) {
	ext4, err := os.ReadFile(testimg.FS(t, "ext4", testimg.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(ext4)) >> 20
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, (size+20)<<20); err != nil {
		t.Fatal(err)
	}
	for _, opts := range [][]unboot.Option{{unboot.Writable()}, nil} {
		img := open(t, path, opts...)
		whole := img.Devices()[0]
		wantDevices(t, img, fmt.Sprintf("/dev/sda 0+%d", size+20))
		if err := change(t, img, add(1, size)); err != nil {
			t.Fatal(err)
		}
		disk := fmt.Sprintf("/dev/sda 0+%d", size+20)
		first := fmt.Sprintf("1+%d", size)
		wantDevices(t, img, disk, "/dev/sda1 "+first)
		if img.Devices()[0] != whole {
			t.Error("the disk has not changed, but is another value")
		}
		if table := img.Disks()[0].Table; table != "gpt" {
			t.Errorf("table %q", table)
		}

		// What is written to the partition is found there.
		n := openNode(t, img, "/dev/sda1")
		_, err := n.WriteAt(ext4, 0)
		if n.close(); err != nil {
			t.Fatal(err)
		}
		empty := img.Devices()[1]
		if err := img.Rescan(); err != nil {
			t.Fatal(err)
		}
		if empty.Content != nil {
			t.Error("a device of before has changed")
		}
		d := img.Devices()[1]
		if d.Content == nil || d.Content.Type != "ext4" || d.Partition.Table != "gpt" {
			t.Fatalf("%v, %+v", d, d.Partition)
		}
		first = d.String() + " " + first

		// While it is mounted, others come, change and go.
		fs, err := img.Mount("sda1")
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range []func(*part.Editor) error{
			add(size+2, 4), add(size+8, 2),
			func(e *part.Editor) error { return e.Resize(2, (size+4)<<20) },
			func(e *part.Editor) error { return e.Resize(2, (size+7)<<20) },
			func(e *part.Editor) error { return e.Delete(2) },
			func(e *part.Editor) error {
				if err := e.Delete(3); err != nil {
					return err
				}
				return add(size+9, 3)(e)
			},
		} {
			if err := change(t, img, f); err != nil {
				t.Fatalf("change %d: %v", i, err)
			}
			two, three := fmt.Sprintf("/dev/sda2 %d+", size+2), fmt.Sprintf("/dev/sda3 %d+2", size+8)
			wantDevices(t, img, [][]string{
				{disk, first, two + "4"},
				{disk, first, two + "4", three},
				{disk, first, two + "2", three},
				{disk, first, two + "5", three},
				{disk, first, three},
				{disk, first, fmt.Sprintf("/dev/sda2 %d+3", size+9)},
			}[i]...)
			if img.Devices()[1] != d {
				t.Error("the mounted device is another value")
			}
		}
		err = change(t, img, func(e *part.Editor) error { return e.Delete(1) })
		if !errors.Is(err, unix.EBUSY) {
			t.Errorf("deleted the mounted partition: %v", err)
		}
		if _, err := fs.ReadDir("."); err != nil {
			t.Error(err)
		}
		if err := fs.Unmount(); err != nil {
			t.Fatal(err)
		}
		if err := img.Rescan(); err != nil {
			t.Error(err)
		}
		wantDevices(t, img, disk, fmt.Sprintf("/dev/sda2 %d+3", size+9))
		if err := img.Close(); err != nil {
			t.Error(err)
		}
		if err := img.Rescan(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if err := os.WriteFile(path, make([]byte, (size+20)<<20), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
