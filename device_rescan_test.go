package unboot_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
		start := int64(0)
		if d.Partition != nil {
			start = d.Partition.Start
		}
		got = append(got, fmt.Sprintf("%s %d+%d", d, start>>20, d.Size>>20))
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

		// Data written to the partition is found there.
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

// A device in use keeps its partition and its value, whatever the table says; what else the
// table has comes and goes beside it.
func TestRescanKeepsWhatIsInUse(t *testing.T) {
	img := open(t, partitioned(t, oneDOS, 0, ""), unboot.Writable())
	d := img.Devices()[1]
	f := must(img.Mount(d.Name))
	err := change(t, img, func(e *part.Editor) error {
		if err := e.Delete(1); err != nil {
			return err
		}
		if err := add(40, 4)(e); err != nil { // has its number
			return err
		}
		return add(50, 4)(e)
	})
	if !errors.Is(err, unix.EBUSY) {
		t.Errorf("%v", err)
	}
	if now, err := img.Device(d.Name); now != d {
		t.Errorf("%+v, %v; was %+v", now, err, d)
	}
	if now, err := img.Device("sda2"); err != nil || now.Partition.Start != 50<<20 {
		t.Errorf("%+v, %v", now, err)
	}
	wantFile(t, f, "inside", "here\n")
	if err := errors.Join(f.Unmount(), img.Rescan()); err != nil {
		t.Fatal(err)
	}
	if now, err := img.Device(d.Name); err != nil || now.Partition.Start != 40<<20 {
		t.Errorf("%+v, %v", now, err)
	}
}

// A disk that cannot be read any more keeps its devices, and the others are looked at.
func TestRescanOfUnreadable(t *testing.T) {
	other := partitioned(t, oneDOS, 0, "")
	bad := serve(t, partitioned(t, oneDOS, 0, ""))
	img := open(t, "", unboot.Writable(), unboot.AddDevice("bad", bad), unboot.AddDisk(other))
	before := img.Devices()
	n := openNode(t, img, "/dev/sdb")
	defer n.close()
	e := must(part.Edit(n, img.Disks()[1].Size, part.EditOptions{}))
	if err := errors.Join(add(50, 4)(e), e.Commit(n)); err != nil {
		t.Fatal(err)
	}
	a := openNode(t, img, "/dev/sda")
	if _, err := img.Kernel().IoctlInt(a.fd, unix.BLKFLSBUF, 0); err != nil {
		t.Fatal(err)
	}
	a.close()
	bad.readFault.Store(fault(unix.EIO))
	err := img.Rescan()
	if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "bad: ") {
		t.Errorf("%v", err)
	}
	now := img.Devices()
	if len(now) != 5 || now[0] != before[0] || now[1] != before[1] || now[3] != before[3] || now[4].Name != "/dev/sdb2" {
		t.Errorf("%v; before %v", now, before)
	}
	bad.readFault.Store(nil)
	if err := img.Rescan(); err != nil || !slices.Equal(img.Devices(), now) {
		t.Errorf("read again: %v, %v; before %v", err, img.Devices(), now)
	}
}
