package relabel_test

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/volume/relabel"
)

func blank(t testing.TB, size int64) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func blkid(t *testing.T, f *os.File, tag string) string {
	t.Helper()
	out, _ := exec.Command("blkid", "-c", "/dev/null", "-p", "-o", "value", "-s", tag, f.Name()).Output()
	return strings.TrimSuffix(string(out), "\n")
}

const uuid = "12345678-9abc-4def-8123-456789abcdef"

func TestSet(t *testing.T) {
	testimg.Need(t, "blkid", "mkfs.ext4", "mkfs.vfat", "mkswap", "e2fsck", "fsck.vfat")
	ext := []string{"e2fsck", "-fn"}
	fat := []string{"fsck.vfat", "-n"}
	for _, test := range []struct {
		name, fstype string
		make, check  []string
		size         int64
		label        string
		uuid         error
	}{
		{"ext2", "ext2", []string{"mkfs.ext2", "-q"}, ext, 8, "sixteen bytes 16", nil},
		{"ext3", "ext3", []string{"mkfs.ext3", "-q", "-O", "^resize_inode"}, ext, 8, "länger", nil},
		{"ext4", "ext4", []string{"mkfs.ext4", "-q"}, ext, 8, "root", relabel.ErrChecksums},
		{"ext4, seed", "ext4", []string{"mkfs.ext4", "-q", "-O", "metadata_csum_seed"}, ext, 8, "root", nil},
		{"ext4, uninit_bg", "ext4", []string{"mkfs.ext4", "-q", "-O", "^metadata_csum,uninit_bg"}, ext, 8, "root", relabel.ErrChecksums},
		{"fat12", "vfat", []string{"mkfs.vfat"}, fat, 4, "FLOPPY", relabel.ErrType},
		{"fat16", "vfat", []string{"mkfs.vfat", "-F", "16", "-n", "OLD"}, fat, 32, "BOOT DISK", relabel.ErrType},
		{"fat32", "vfat", []string{"mkfs.vfat", "-F", "32"}, fat, 64, "EFI", relabel.ErrType},
		{"fat32, 4096", "vfat", []string{"mkfs.vfat", "-F", "32", "-S", "4096", "-n", "OLD"}, nil, 300, "EFI", relabel.ErrType},
		{"swap", "swap", []string{"mkswap", "-q"}, nil, 8, "swap space", nil},
		{"swap, large pages", "swap", []string{"mkswap", "-q", "-p", "65536"}, nil, 8, "swap", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := blank(t, test.size<<20)
			testimg.MustRun(t, test.make[0], append(test.make[1:], f.Name())...)
			before := blkid(t, f, "UUID")
			for _, label := range []string{test.label, "B", ""} {
				if err := relabel.SetLabel(f, test.fstype, label); err != nil {
					t.Fatal(err)
				}
				if got := blkid(t, f, "LABEL"); got != label {
					t.Errorf("label %q, want %q", got, label)
				}
			}
			if got := blkid(t, f, "UUID"); got != before {
				t.Errorf("the UUID has become %s", got)
			}
			err := relabel.SetUUID(f, test.fstype, uuid)
			if !errors.Is(err, test.uuid) || err != nil && test.uuid == nil {
				t.Errorf("UUID: %v, want %v", err, test.uuid)
			}
			if got := blkid(t, f, "UUID"); err == nil && got != uuid {
				t.Errorf("UUID %s", got)
			}
			if err := relabel.SetLabel(f, test.fstype, strings.Repeat("x", 17)); !errors.Is(err, relabel.ErrInvalid) {
				t.Errorf("long label: %v", err)
			}
			if test.check != nil {
				testimg.MustRun(t, test.check[0], append(test.check[1:], f.Name())...)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	f := blank(t, 1<<20)
	for _, fstype := range []string{"ext2", "ext4", "vfat", "swap"} {
		if err := relabel.SetLabel(f, fstype, "x"); !errors.Is(err, relabel.ErrCorrupt) {
			t.Errorf("%s on zeros: %v", fstype, err)
		}
	}
	if err := relabel.SetLabel(f, "ntfs", "x"); !errors.Is(err, relabel.ErrType) {
		t.Error(err)
	}
	for _, id := range []string{"", "zzz", uuid[1:], uuid + "0", strings.Replace(uuid, "1", "g", 1), strings.Replace(uuid, "-", "0", 1)} {
		if err := relabel.SetUUID(f, "swap", id); !errors.Is(err, relabel.ErrInvalid) {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, label := range []string{"a/b", "ä", "twelve bytes", "\t"} {
		if err := relabel.SetLabel(f, "vfat", label); !errors.Is(err, relabel.ErrInvalid) {
			t.Errorf("%q: %v", label, err)
		}
	}
	// What was not one has not become one.
	data := make([]byte, 1<<20)
	if _, err := f.ReadAt(data, 0); err != nil || strings.Trim(string(data), "\x00") != "" {
		t.Error("something was written")
	}
}

// TestMakeSwap compares with mkswap.
func TestMakeSwap(t *testing.T) {
	testimg.Need(t, "mkswap")
	id, err := relabel.ParseUUID(uuid)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{40960, 1 << 20, 1<<20 + 512, 100 << 20} {
		ours, theirs := blank(t, size), blank(t, size)
		if err := relabel.MakeSwap(ours, size, "lab", id); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "mkswap", "-q", "-L", "lab", "-U", uuid, theirs.Name())
		a, b := make([]byte, 8192), make([]byte, 8192)
		ours.ReadAt(a, 0)
		theirs.ReadAt(b, 0)
		if string(a) != string(b) {
			t.Errorf("size %d: not what mkswap makes", size)
		}
	}
	f := blank(t, 1<<20)
	boot := make([]byte, 1024)
	rand.Read(boot)
	f.WriteAt(boot, 0)
	if err := relabel.MakeSwap(f, 1<<20, "", id); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1024)
	if f.ReadAt(got, 0); string(got) != string(boot) {
		t.Error("the boot block is gone")
	}
	if err := relabel.MakeSwap(f, 40959, "", id); !errors.Is(err, relabel.ErrInvalid) {
		t.Error(err)
	}
}

// bounded is a device in memory that notices writing where there was nothing.
type bounded struct {
	t    *testing.T
	data []byte
}

func (b *bounded) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(b.data)) {
		return 0, io.EOF
	}
	n := copy(p, b.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (b *bounded) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(b.data)-len(p)) || len(p) > 1024 {
		b.t.Fatalf("writes %d bytes at %d of %d", len(p), off, len(b.data))
	}
	return copy(b.data[off:], p), nil
}

func FuzzSet(f *testing.F) {
	types := []string{"ext4", "vfat", "swap"}
	for i, command := range [][]string{{"mkfs.ext4", "-q"}, {"mkfs.vfat"}, {"mkswap", "-q"}} {
		image := blank(f, 256<<10)
		if exec.Command(command[0], append(command[1:], image.Name())...).Run() != nil {
			continue
		}
		data, _ := os.ReadFile(image.Name())
		f.Add(data[:8192], uint8(i), "label")
	}
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, label string) {
		d := &bounded{t, data}
		fstype := types[int(kind)%len(types)]
		relabel.SetUUID(d, fstype, uuid)
		if relabel.SetLabel(d, fstype, label) != nil {
			return
		}
		// It is still one.
		if err := relabel.SetLabel(d, fstype, ""); err != nil {
			t.Error(err)
		}
	})
}
