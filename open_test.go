package unboot_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	qcow2 := filepath.Join(dir, "q.qcow2")
	os.WriteFile(empty, nil, 0o666)
	os.WriteFile(qcow2, append([]byte("QFI\xfb"), make([]byte, 4096)...), 0o666)
	for path, want := range map[string]error{
		filepath.Join(dir, "none"): fs.ErrNotExist,
		dir:                        unix.EISDIR,
		empty:                      disk.ErrEmpty,
		"/dev/null":                disk.ErrNotDisk,
	} {
		img, err := unboot.Open(context.Background(), path)
		if err == nil {
			img.Close()
		}
		if !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if _, err := unboot.Open(context.Background(), qcow2); !strings.Contains(fmt.Sprint(err), "qcow2") {
		t.Error(err)
	}
	if _, err := unboot.Open(context.Background(), ""); err == nil {
		t.Error("opened no disk")
	}
	if _, err := unboot.Open(context.Background(), empty, unboot.SectorSize(1000)); err == nil {
		t.Error("sectors of 1000 bytes")
	}
}

func TestNothingThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zeros")
	os.WriteFile(path, make([]byte, 1<<20), 0o666)
	img := open(t, path)
	if _, err := img.MountAuto(); !errors.Is(err, unboot.ErrNoFileSystem) {
		t.Error(err)
	}
	if _, err := img.MountOS(); !errors.Is(err, unboot.ErrNoFileSystem) {
		t.Error(err)
	}
	if _, err := img.Mount("sda"); !errors.Is(err, unboot.ErrNoFileSystem) {
		t.Error(err)
	}
	if _, err := img.Mount("sdb1"); !errors.Is(err, unboot.ErrNotFound) {
		t.Error(err)
	}
	_, err := img.Mount("sda", unboot.Type("ext4"))
	me, ok := errors.AsType[*unboot.MountError](err)
	if !ok || !errors.Is(err, unix.EINVAL) || me.Device != "/dev/sda" || len(me.Log) == 0 {
		t.Fatalf("%#v", err)
	}
	if !strings.Contains(me.Error(), "EXT4-fs") {
		t.Errorf("%q does not have the kernel's words", me)
	}
	if full := fmt.Sprintf("%+v", me); !strings.Contains(full, "\n\tEXT4-fs") {
		t.Errorf("%q does not have the kernel's lines", full)
	}
}

// A disk that is cut off, and a file system larger than its device, are reported. For writing,
// what is missing is not made up.
func TestProblems(t *testing.T) {
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, st.Size()/2+100); err != nil {
		t.Fatal(err)
	}
	img := open(t, path, unboot.Writable())
	text := strings.Join(img.Problems(), "\n")
	for _, want := range []string{"larger than its device", "not a whole sector"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if _, err := img.MountAuto(); !errors.As(err, new(*unboot.MountError)) {
		t.Errorf("%v", err)
	}
}

func hash(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// An image whose journal was not replayed, because its writer was killed, is
// read whole, and not changed by it.
func TestDirtyJournal(t *testing.T) {
	for _, fstype := range []string{"ext4", "xfs", "btrfs", "f2fs"} {
		t.Run(fstype, func(t *testing.T) {
			image := blank(t, fstype)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			img, err := unboot.Open(ctx, image, unboot.Writable())
			needKernel(t, err)
			f := must(must(img, err).MountAuto())
			for i := range 50 {
				if err := f.WriteFile(fmt.Sprint(i), testimg.Pattern(10_000, uint64(i)), 0o644); err != nil {
					t.Fatal(err)
				}
				w := must(f.OpenFile(fmt.Sprint(i), os.O_RDWR, 0))
				if err := w.Sync(); err != nil {
					t.Fatal(err)
				}
				w.Close()
			}
			img.Kernel().Kill()
			if err := img.Close(); err == nil {
				t.Error("Close does not say that the kernel was killed")
			}

			before := hash(t, image)
			g := mount(t, image)
			for i := range 50 {
				if data, err := g.ReadFile(fmt.Sprint(i)); err != nil || string(data) != string(testimg.Pattern(10_000, uint64(i))) {
					t.Errorf("%d: %d bytes, %v", i, len(data), err)
				}
			}
			if err := g.Image().Close(); err != nil {
				t.Error(err)
			}
			if hash(t, image) != before {
				t.Error("reading has changed the image")
			}
		})
	}
}

func TestDebian(t *testing.T) {
	for _, kind := range testimg.DebianKinds {
		t.Run(kind, func(t *testing.T) {
			img := open(t, testimg.Debian(t, kind))
			for _, name := range []string{"/dev/sda1", "sda1", "UUID=" + testimg.DebianRootUUID, "/dev/disk/by-uuid/" + testimg.DebianRootUUID} {
				if d, err := img.Device(name); err != nil || d.Name != "/dev/sda1" || d.Partition.Start != testimg.DebianRootOffset || d.Size != testimg.DebianRootSize {
					t.Errorf("%s: %+v, %v", name, d, err)
				}
			}
			if d := img.Disks()[0]; d.Table != "gpt" || d.SectorSize != 512 {
				t.Errorf("%+v", d)
			}
			f, err := img.MountAuto()
			if err != nil {
				t.Fatalf("%+v", err)
			}
			if p := f.Problems(); len(p) > 0 {
				t.Error(p)
			}
			if name, err := f.ReadFile("etc/hostname"); err != nil || strings.TrimSpace(string(name)) != testimg.DebianHostname {
				t.Errorf("%q, %v", name, err)
			}
			dirs := map[string]string{}
			for _, m := range f.Mounts() {
				dirs[m.Dir] = m.Device
			}
			if dirs["."] != "/dev/sda1" || dirs["boot/efi"] != "/dev/sda15" {
				t.Errorf("%v", dirs)
			}
			if kind == "btrfs-subvol" && dirs["home"] != "/dev/sda1" {
				t.Errorf("%v", dirs)
			}
			if st, err := f.Statfs("boot/efi"); err != nil || st.Type != unix.MSDOS_SUPER_MAGIC {
				t.Errorf("%+v, %v", st, err)
			}
			if err := f.Unmount(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAmbiguous(t *testing.T) {
	a := testimg.FS(t, "ext4", testimg.Options{Label: "one"})
	img := open(t, a, unboot.AddDisk(testimg.FS(t, "xfs", testimg.Options{Label: "two"})))
	_, err := img.MountAuto()
	ae, ok := errors.AsType[*unboot.AmbiguousError](err)
	if !ok || len(ae.Devices) != 2 {
		t.Fatal(err)
	}
	for _, want := range []string{a, "/dev/sda", "/dev/sdb", "one", "two", "ext4", "xfs"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	f, err := img.MountTree([]unboot.Mount{{Device: "LABEL=two", Dir: "/lost+found/"}, {Device: "LABEL=one"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.MountAt("LABEL=two", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := f.Unmount(); err != nil {
		t.Error(err)
	}
}

// memDisk is a disk that the program serves.
type memDisk struct {
	*io.SectionReader
	fail error
}

func (memDisk) WriteAt([]byte, int64) (int, error) { return 0, unix.EIO }
func (memDisk) Flush() error                       { return nil }
func (memDisk) Close() error                       { return nil }
func (d memDisk) ReadAt(p []byte, off int64) (int, error) {
	if d.fail != nil && off > 200<<10 {
		return 0, d.fail
	}
	return d.SectionReader.ReadAt(p, off)
}

func TestServedDisk(t *testing.T) {
	file, err := os.Open(testimg.FS(t, "squashfs", testimg.Options{Tree: true}))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	f := mount(t, "", unboot.AddDevice("served", memDisk{SectionReader: io.NewSectionReader(file, 0, st.Size())}))
	if data, err := f.ReadFile("names/plain"); err != nil || string(data) != "plain" {
		t.Errorf("%q, %v", data, err)
	}
	if d := f.Image().Disks()[0]; d.Path != "served" {
		t.Errorf("%+v", d)
	}
}

func TestTwoWriters(t *testing.T) {
	path := blank(t, "ext4")
	open(t, path, unboot.Writable())
	_, err := unboot.Open(context.Background(), path, unboot.Writable())
	if !errors.Is(err, disk.ErrInUse) {
		t.Error(err)
	}
	open(t, path) // readers may
}

func TestLifetime(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	img, err := unboot.Open(ctx, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	needKernel(t, err)
	f := must(must(img, err).MountAuto())
	file := must(f.Open("names/plain"))
	cancel()
	<-img.Kernel().Done()
	if _, err := f.ReadFile("names/plain"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := file.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := img.Close(); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := img.Close(); err != nil {
		t.Error(err)
	}
	if _, err := f.Stat("."); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if _, err := img.Mount("sda"); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
}

// Unmount closes what is open, and what was open says so.
func TestUnmountOpen(t *testing.T) {
	img := open(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	f := must(img.MountAuto())
	file := must(f.Open("names/plain"))
	must(f.Sub("names"))
	for e, err := range f.Walk(".", nil) {
		if err != nil || e.Path() != "names" {
			continue
		}
		if err := f.Unmount(); err != nil {
			t.Error(err)
		}
		break
	}
	if _, err := file.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if err := file.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if _, err := f.Stat("."); !errors.Is(err, fs.ErrClosed) {
		t.Error(err)
	}
	if _, err := img.MountAuto(); err != nil {
		t.Error(err)
	}
}

// Many images come and go; TestMain looks for what is left.
func TestManyOpens(t *testing.T) {
	path := testimg.FS(t, "ext4", testimg.Options{Tree: true})
	for range 100 {
		img, err := unboot.Open(context.Background(), path)
		needKernel(t, err)
		f := must(must(img, err).MountAuto())
		must(f.ReadFile("names/plain"))
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
