package source_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// What is created in each format can be written to at once, is locked, and is recognized
// when it is opened again.
func TestCreate(t *testing.T) {
	ctx := context.Background()
	const size = 5<<20 + 512
	want := make([]byte, size)
	copy(want[1<<20:], strings.Repeat("written", 100000))
	for _, format := range source.Creatable() {
		path := filepath.Join(t.TempDir(), "new.image")
		d, err := source.Create(ctx, path, format, disk.CreateOptions{Size: size}, nil)
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if _, err := source.Open(ctx, path, source.Options{Writable: true, Format: format}); !errors.Is(err, disk.ErrInUse) {
			t.Errorf("%s: a second writer: %v", format, err)
		}
		if _, err := d.WriteAt(want[1<<20:2<<20], 1<<20); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if err := d.Flush(); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", format, err)
		}
		again, err := source.Open(ctx, path, source.Options{})
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		if got := content(t, again); again.Size() != size || got != string(want) {
			t.Errorf("%s: %d bytes, or others than were written", format, again.Size())
		}
		again.Close()
		if name, err := source.Detect(ctx, path); err != nil || name != format {
			t.Errorf("%s is taken for %s: %v", format, name, err)
		}
		if _, err := source.Create(ctx, path, format, disk.CreateOptions{Size: size}, nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: over a file: %v", format, err)
		}
		if name, res, err := source.Check(ctx, path, source.Options{}, disk.RepairNothing); name != format || res.Errors+res.Leaks > 0 || err != nil && !errors.Is(err, source.ErrNoCheck) {
			t.Errorf("%s: check of %s: %+v, %v", format, name, res, err)
		}
	}
}

// An overlay has the size of what is below it, says what format that has, and reads so.
func TestCreateOverlay(t *testing.T) {
	ctx := context.Background()
	dir := files(t, map[string]string{"base.img": strings.Repeat("b", 1<<20)})
	t.Chdir(t.TempDir())
	if err := os.Symlink(dir, "images"); err != nil {
		t.Fatal(err)
	}
	for _, top := range []string{filepath.Join(dir, "top"), "images/other"} {
		d, err := source.Create(ctx, top, "qcow2", disk.CreateOptions{Backing: "base.img"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, d); got != strings.Repeat("b", 1<<20) {
			t.Errorf("%s: %d bytes of something else", top, len(got))
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		info, err := source.Stat(ctx, top, source.Options{})
		if err != nil || len(info.References) != 1 || info.References[0].Name != "base.img" || info.References[0].Format != "raw" {
			t.Errorf("%s: %+v, %v", top, info, err)
		}
	}
}

// What the backing file of a new image names is opened only if that is allowed.
func TestCreateOnChain(t *testing.T) {
	ctx := context.Background()
	dir := files(t, map[string]string{"base": strings.Repeat("b", 1<<20), "middle": string(overlay(1<<20, "base", "raw"))})
	top := filepath.Join(dir, "top")
	o := disk.CreateOptions{Backing: "middle"}
	if _, err := source.Create(ctx, top, "qcow2", o, nil); !errors.Is(err, disk.ErrNotAllowed) {
		t.Errorf("not allowed: %v", err)
	}
	if _, err := os.Stat(top); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	d, err := source.Create(ctx, top, "qcow2", o, all)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := content(t, d); got != strings.Repeat("b", 1<<20) {
		t.Errorf("%d bytes of something else", len(got))
	}
}

// What cannot be created leaves no file, and one that is there alone.
func TestCreateFails(t *testing.T) {
	ctx := context.Background()
	dir := files(t, map[string]string{"there": "before", "text": strings.Repeat("x", 5000), "gzip": "\x1f\x8b\x08" + strings.Repeat("z", 4096)})
	before := descriptors(t)
	for name, c := range map[string]struct {
		format string
		o      disk.CreateOptions
		want   string
	}{
		"format":   {"exe", disk.CreateOptions{Size: 1 << 20}, "not known"},
		"readonly": {"simg", disk.CreateOptions{Size: 1 << 20}, "not created here; there are: raw, qcow2"},
		"none":     {"", disk.CreateOptions{Size: 1 << 20}, "not created here"},
		"there":    {"qcow2", disk.CreateOptions{Size: 1 << 20}, "file exists"},
		"kind":     {"qcow2", disk.CreateOptions{Size: 1 << 20, Kind: "large"}, `no kind "large"`},
		"rawkind":  {"raw", disk.CreateOptions{Size: 1 << 20, Compression: "zlib"}, "has no kinds"},
		"empty":    {"raw", disk.CreateOptions{}, "a disk of 0 bytes"},
		"rawback":  {"raw", disk.CreateOptions{Backing: "text"}, "no backing file"},
		"missing":  {"qcow2", disk.CreateOptions{Backing: "none"}, "no such file"},
		"remote":   {"qcow2", disk.CreateOptions{Backing: "nbd://there/x"}, "not a file of this host"},
		"foreign":  {"qcow2", disk.CreateOptions{Backing: "gzip"}, "gzip"},
		"itself":   {"qcow2", disk.CreateOptions{Backing: "itself"}, "no such file"},
		"parent":   {"vdi", disk.CreateOptions{Backing: "text"}, "is one too"},
	} {
		path := filepath.Join(dir, name)
		_, err := source.Create(ctx, path, c.format, c.o, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if b, err := os.ReadFile(path); name != "there" && !errors.Is(err, fs.ErrNotExist) || name == "there" && !bytes.Equal(b, []byte("before")) {
			t.Errorf("%s: left %d bytes: %v", name, len(b), err)
		}
	}
	if now := descriptors(t); now != before {
		t.Errorf("%d files are open, and %d were", now, before)
	}
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]string{
		"a.qcow2": "qcow2", "b/c.VMDK": "vmdk", "d.vhd": "vpc", "e.vhdx": "vhdx", "f.vdi": "vdi", "g.img": "raw",
		"h": "", "/dev/sda": "", "i.qcow2/j": "", "k.": "", "l.iso": "",
	} {
		if got := source.FormatOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
