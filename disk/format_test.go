package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// An image that is not raw is named, with what may help.
func TestFormats(t *testing.T) {
	pad := func(n int, s string) string { return strings.Repeat("\x00", n) + s }
	for _, c := range []struct {
		format, hint, data string
		size               int64
	}{
		{"qcow", "qemu-img convert", "QFI\xfb\x00\x00\x00\x01", 1 << 20},
		{"qcow2", "qemu-img convert", "QFI\xfb\x00\x00\x00\x03", 1 << 20},
		{"bochs", "qemu-img convert", "Bochs Virtual HD Image", 1 << 20},
		{"cloop", "qemu-img convert", "#!/bin/sh\n#V2.0 Format\nmodprobe cloop", 1 << 20},
		{"EWF", "ewfexport", "EVF\x09\x0d\x0a\xff\x00\x01", 1 << 20},
		{"AFF4", "aff4imager", "PK\x03\x04" + pad(26, "container.description"), 1 << 20},
		{"zip", "decompress", "PK\x03\x04" + pad(26, "a"), 1 << 20},
		{"Android sparse", "simg2img", "\x3a\xff\x26\xed\x01", 1 << 20},
		{"VMA", "vma extract", "VMA\x00\x00\x00\x00\x01", 1 << 20},
		{"WIM", "wimextract", "MSWIM\x00\x00\x00", 1 << 20},
		{"raw CD (2352 bytes a sector)", "bchunk", "\x00" + strings.Repeat("\xff", 10) + "\x00", 2352 * 300},
		{"cpio", "unpack", "070701", 1 << 20},
		{"DiskCopy 4.2", "tail -c +85 IMAGE | head -c 819200", "\x04disk" + pad(59, "\x00\x0c\x80\x00\x00\x00\x4b\x00") + pad(10, "\x01\x00"), 84 + 819200 + 19200},
		{"HTML", "download the image again", "\ufeff\n <!DOCTYPE html>\n<html>", 1 << 10},
		{"HTML", "download the image again", "<HTML><head>", 1 << 10},
		{"git-lfs pointer", "git lfs pull", "version https://git-lfs.github.com/spec/v1\noid sha256:00", 1 << 10},
		{"ELF", "program", "\x7fELF\x02\x01\x01", 1 << 20},
		{"AppImage", "tail -c +8193 IMAGE", "\x7fELF\x02\x01\x01\x00AI\x02" + pad(29, "\x00\x10\x00\x00\x00\x00\x00\x00") + pad(10, "\x40\x00\x40\x00"), 1 << 20},
	} {
		_, err := disk.OpenRaw(image(t, c.size, c.data), disk.Options{})
		e, ok := errors.AsType[*disk.FormatError](err)
		if !ok || e.Format != c.format || !strings.Contains(e.Error(), c.hint) {
			t.Errorf("%s: %v", c.format, err)
		}
	}
	for name, head := range map[string]string{
		"AppImage of type 1":     "\x7fELF\x02\x01\x01\x00AI\x01",
		"a name like DiskCopy's": "\x04disk" + pad(59, "\x00\x0c\x80\x00\x00\x00\x00\x00") + pad(10, "\x01\x00"),
		"text":                   "just a text\n",
	} {
		r, err := disk.OpenRaw(image(t, 1<<20, head), disk.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.Close()
	}
}

// No file system is taken for something else.
func TestFormatsOfFileSystems(t *testing.T) {
	for _, fstype := range testimg.Types() {
		r, err := disk.OpenRaw(testimg.FS(t, fstype, testimg.Options{Tree: testimg.Populates(fstype)}), disk.Options{})
		if err != nil {
			t.Errorf("%s: %v", fstype, err)
			continue
		}
		r.Close()
	}
}

func TestDescribe(t *testing.T) {
	for data, want := range map[string]string{
		"":                                    "its first 65536 bytes are zeros",
		"\x00\x01":                            "",
		"\xeb\x63\x90":                        "",
		"\n# a script\nls\n":                  `it is a text that begins with "# a script"`,
		strings.Repeat("\xc3\xa4", 1000):      `it is a text that begins with "` + strings.Repeat("ä", 60) + `…"`,
		"x" + strings.Repeat("\xc3\xa4", 300): `it is a text that begins with "x` + strings.Repeat("ä", 59) + `…"`,
		"\xff\xfe" + strings.Repeat("a", 600): "",
	} {
		path := filepath.Join(t.TempDir(), "x")
		size := int64(max(1024, len(data)))
		if data == "" {
			size = 1 << 20
		} else if len(data) < 1024 && data[0] != 0 {
			data += strings.Repeat(" ", 1024-len(data))
		}
		if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		r, err := disk.OpenRaw(path, disk.Options{AnyFormat: true})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got := disk.Describe(r, r.Size()); got != want {
			t.Errorf("%.20q: %q, want %q", data, got, want)
		}
	}
}

// Whatever an image begins with, its format is recognized or not, and nothing panics.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{"", "QFI\xfb", "\x7fELF\x02\x02\x01\x00AI\x02", "\x04disk", "<html>", "text\xc3"} {
		f.Add([]byte(s), uint32(1<<20))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint32) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, int64(size)); err != nil {
			t.Fatal(err)
		}
		r, err := disk.OpenRaw(path, disk.Options{})
		if err != nil {
			return
		}
		defer r.Close()
		if len(disk.Describe(r, r.Size())) > 600 {
			t.Error("long")
		}
	})
}
