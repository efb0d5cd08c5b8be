package disk_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
)

var _ disk.Device = (*disk.Raw)(nil)

func image(t *testing.T, size int64, head string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, []byte(head), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenRawErrors(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "loop")
	if err := os.Symlink("loop", link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, path string
		want       error
		text       string
	}{
		{"missing", filepath.Join(dir, "none"), fs.ErrNotExist, "no such file"},
		{"directory", dir, unix.EISDIR, "is a directory"},
		{"fifo", fifo, disk.ErrNotDisk, "not a disk image"},
		{"terminal", "/dev/null", disk.ErrNotDisk, "not a disk image"},
		{"loop of links", link, unix.ELOOP, "too many levels"},
		{"empty", image(t, 0, ""), disk.ErrEmpty, "is empty"},
		{"tiny", image(t, 511, "x"), nil, "smaller than a sector"},
		{"NUL", "a\x00b", unix.EINVAL, "invalid argument"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := disk.OpenRaw(tt.path, disk.Options{})
			if err == nil {
				r.Close()
				t.Fatal("opened")
			}
			pe, ok := errors.AsType[*fs.PathError](err)
			if !ok || pe.Path != tt.path {
				t.Errorf("%#v is not a PathError of %q", err, tt.path)
			}
			if tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v is not %v", err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%q does not say %q", err, tt.text)
			}
		})
	}
}

func TestOpenRawUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything")
	}
	path := image(t, 4096, "")
	os.Chmod(path, 0)
	if _, err := disk.OpenRaw(path, disk.Options{}); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}

func TestOpenRawFormats(t *testing.T) {
	for _, tt := range []struct {
		format, head string
	}{
		{"qcow2", "QFI\xfb\x00\x00\x00\x03"},
		{"vmdk", "KDMV\x01"},
		{"vmdk", "# Disk DescriptorFile\nversion=1\n"},
		{"vdi", strings.Repeat("<", 64) + "\x7f\x10\xda\xbe"},
		{"vhdx", "vhdxfile"},
		{"gzip", "\x1f\x8b\x08\x00"},
		{"xz", "\xfd7zXZ\x00"},
		{"tar", strings.Repeat("\x00", 257) + "ustar\x00"},
	} {
		path := image(t, 1<<20, tt.head)
		_, err := disk.OpenRaw(path, disk.Options{})
		if fe, ok := errors.AsType[*disk.FormatError](err); !ok || fe.Format != tt.format {
			t.Errorf("%s: %v", tt.format, err)
		}
		r, err := disk.OpenRaw(path, disk.Options{AnyFormat: true})
		if err != nil {
			t.Errorf("%s: %v", tt.format, err)
			continue
		}
		r.Close()
	}
	for name, head := range map[string]string{"zeros": "", "code": "\xeb\x63\x90", "one sector": "QFI"} {
		r, err := disk.OpenRaw(image(t, 512, head), disk.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.Close()
	}
}

func TestRaw(t *testing.T) {
	path := image(t, 1<<20, "")
	r, err := disk.OpenRaw(path, disk.Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != 1<<20 || r.SectorSize() != 0 || r.IsBlockDevice() || !r.Writable() || r.Path() != path {
		t.Errorf("%+v", r)
	}
	want := bytes.Repeat([]byte("x"), 512)
	if _, err := r.WriteAt(want, 512); err != nil {
		t.Fatal(err)
	}
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 512)
	if _, err := r.ReadAt(got, 512); err != nil || !bytes.Equal(got, want) {
		t.Error(err)
	}
}

// TestNewRaw: a file that somebody else has opened is a disk as one that was opened here, if it was
// opened so that it can be used.
func TestNewRaw(t *testing.T) {
	path := image(t, 4096, "content")
	open := func(flags int) *os.File {
		t.Helper()
		fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fd), path)
	}
	r, err := disk.NewRaw(open(unix.O_RDWR), disk.Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 7)
	if _, err := r.ReadAt(buf, 0); err != nil || string(buf) != "content" || r.Size() != 4096 || r.Path() != path {
		t.Errorf("%q, %v, %d bytes of %s", buf, err, r.Size(), r.Path())
	}
	if _, err := disk.NewRaw(open(unix.O_RDWR), disk.Options{Writable: true}); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("a second writer: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		flags int
		o     disk.Options
	}{{unix.O_RDONLY, disk.Options{Writable: true}}, {unix.O_WRONLY, disk.Options{}}, {unix.O_PATH, disk.Options{}}} {
		f := open(c.flags)
		if _, err := disk.NewRaw(f, c.o); !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), path) {
			t.Errorf("flags %#x, %+v: %v", c.flags, c.o, err)
		}
		if f.Close() == nil {
			t.Errorf("flags %#x: it was left open", c.flags)
		}
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disk.NewRaw(null, disk.Options{}); !errors.Is(err, disk.ErrNotDisk) {
		t.Errorf("no disk: %v", err)
	}
}
