package unboot_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// TestScratch writes to a disk of which nothing must change, beside one that does.
func TestScratch(t *testing.T) {
	kept := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	scratch := testimg.FS(t, "ext4", testimg.Options{Tree: true}) // changed, it would fail the test
	img, err := unboot.Open(t.Context(), kept, unboot.Writable(),
		unboot.AddDisk(scratch, unboot.Scratch(), unboot.BlockSizes(512, 4096)),
		unboot.AddDevice("mem", deafDisk{make([]byte, 1<<20)}, unboot.Scratch(), unboot.BlockSizes(4096, 0)))
	needKernel(t, err)
	if err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"/dev/sda", "/dev/sdb"} {
		f, err := img.Mount(device)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.WriteFile("new", []byte("x"), 0o600); err != nil {
			t.Errorf("%s: %v", device, err)
		}
		if data, err := f.ReadFile("new"); string(data) != "x" {
			t.Errorf("%s: %q, %v", device, data, err)
		}
	}
	if got := img.Disks()[2].SectorSize; got != 4096 {
		t.Errorf("sector size %d", got)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if _, err := mount(t, kept).Stat("new"); err != nil {
		t.Error(err)
	}
	if _, err := unboot.Open(t.Context(), "", unboot.AddDisk(scratch, unboot.BlockSizes(600, 0))); err == nil {
		t.Error("blocks of 600 bytes")
	}
}

type deafDisk struct{ b []byte }

func (d deafDisk) ReadAt(p []byte, off int64) (int, error)  { return copy(p, d.b[off:]), nil }
func (d deafDisk) WriteAt(p []byte, off int64) (int, error) { return 0, errors.New("written to") }
func (d deafDisk) Size() int64                              { return int64(len(d.b)) }
func (d deafDisk) Flush() error                             { return nil }
func (d deafDisk) Close() error                             { return nil }

// TestAnyFormat opens a raw disk that looks like an image in another format.
func TestAnyFormat(t *testing.T) {
	name := t.TempDir() + "/raw"
	if err := os.WriteFile(name, append([]byte("QFI\xfb"), make([]byte, 1<<20)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if img, err := unboot.Open(t.Context(), "", unboot.AddDisk(name)); err == nil {
		img.Close()
		t.Error("opened as it is")
	}
	img, err := unboot.Open(t.Context(), "", unboot.AddDisk(name, unboot.AnyFormat()))
	needKernel(t, err)
	if err != nil {
		t.Fatal(err)
	}
	img.Close()
}

// TestChangingTree mounts and unmounts in a tree that begins empty.
func TestChangingTree(t *testing.T) {
	one := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	two := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	img := open(t, one, unboot.Writable(), unboot.AddDisk(two))
	f, err := img.EmptyTree()
	if err != nil {
		t.Fatal(err)
	}
	check := func(want string, err error, target error) {
		t.Helper()
		if !errors.Is(err, target) {
			t.Errorf("%s: %v, want %v", want, err, target)
		}
	}
	for _, dir := range []string{"a", "b"} {
		check("mkdir", f.Mkdir(dir, 0o755), nil)
	}
	check("mount a", f.MountAt("/dev/sda", "a"), nil)
	check("mount b", f.MountAt("/dev/sdb", "b"), nil)
	check("mkdir in a", f.MkdirAll("a/sub", 0o755), nil)
	check("mount again", f.MountAt("/dev/sdb", "a/sub"), nil)
	check("write", f.WriteFile("a/sub/file", []byte("x"), 0o600), nil)
	if _, err := f.Stat("b/file"); err != nil {
		t.Error(err)
	}
	check("unmount what has another in it", f.UnmountAt("a", 0), unix.EBUSY)
	check("unmount nothing", f.UnmountAt("a/none", 0), unix.EINVAL)
	check("unmount the root", f.UnmountAt(".", 0), unix.EBUSY)
	check("unmount", f.UnmountAt("a/sub", 0), nil)
	open, err := f.Open("a/sub")
	check("open", err, nil)
	check("unmount what is open", f.UnmountAt("a", 0), unix.EBUSY)
	open.Close()
	check("read-only", f.Remount("a", true), nil)
	check("write to what is not", f.WriteFile("a/file", nil, 0o600), unix.EROFS)
	check("writable", f.Remount("a", false), nil)
	check("write", f.WriteFile("a/file", nil, 0o600), nil)
	check("remount nothing", f.Remount("c", false), unix.EINVAL)
	check("unmount a", f.UnmountAt("a", 0), nil)
	var dirs []string
	for _, m := range f.Mounts() {
		dirs = append(dirs, m.Device+" "+m.Dir)
	}
	if want := []string{"none .", "/dev/sdb b"}; !slices.Equal(dirs, want) {
		t.Errorf("%q, want %q", dirs, want)
	}
	var st unix.Statx_t
	if err := f.View().Statx(unix.AT_FDCWD, "/b/../b/file", 0, unix.STATX_SIZE, &st); err != nil || st.Size != 1 {
		t.Error(st.Size, err)
	}
	check("unmount all", f.Unmount(), nil)
	check("mount in what is gone", f.MountAt("/dev/sda", "a"), os.ErrClosed)
	check("unmount in what is gone", f.UnmountAt("b", 0), os.ErrClosed)
}
