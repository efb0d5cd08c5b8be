package source_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// A raw image can be written to and is locked; one in another format is refused for what
// it is, whoever has it open, and is not locked.
func TestWritable(t *testing.T) {
	dir := files(t, map[string]string{"raw": strings.Repeat("x", 4096), "simg": androidSparse, "gzip": "\x1f\x8b\x08" + strings.Repeat("z", 4096)})
	try := func(name string, o source.Options) error {
		d, err := source.Open(context.Background(), filepath.Join(dir, name), o)
		if err == nil {
			err = d.Close()
		}
		return err
	}
	writable := source.Options{Writable: true}
	d, err := source.Open(context.Background(), filepath.Join(dir, "raw"), writable)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt([]byte("written"), 1024); err != nil {
		t.Error(err)
	}
	if err := d.Flush(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "raw")); err != nil || string(b[1024:1031]) != "written" {
		t.Errorf("%q, %v", b[1024:1031], err)
	}
	if err := try("raw", writable); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("a second writer: %v", err)
	}
	if err := try("raw", source.Options{Writable: true, NoLock: true}); err != nil {
		t.Errorf("without a lock: %v", err)
	}
	if err := try("raw", source.Options{}); err != nil {
		t.Errorf("a reader: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := try("raw", writable); err != nil {
		t.Errorf("when the writer has ended: %v", err)
	}

	other, err := disk.OpenRaw(filepath.Join(dir, "simg"), disk.Options{Writable: true, AnyFormat: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, o := range []source.Options{writable, {Writable: true, Format: "simg"}} {
		err := try("simg", o)
		if e, ok := errors.AsType[*disk.FormatError](err); !ok || e.Format != "simg" || !strings.Contains(e.Hint, "can only be read") {
			t.Errorf("a sparse image of Android: %v", err)
		}
	}
	if err := try("simg", source.Options{}); err != nil {
		t.Errorf("to read a sparse image of Android: %v", err)
	}
	if err := try("simg", source.Options{Writable: true, Format: "raw"}); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("as a raw image: %v", err)
	}
	if e, ok := errors.AsType[*disk.FormatError](try("gzip", writable)); !ok || e.Format != "gzip" {
		t.Errorf("what is not a disk: %v", e)
	}
}

// androidSparse is a sparse image of one block that is not there.
var androidSparse = "\x3a\xff\x26\xed\x01\x00\x00\x00\x1c\x00\x0c\x00\x00\x10\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
	"\xc3\xca\x00\x00\x01\x00\x00\x00\x0c\x00\x00\x00" + padding

// padding makes it as large as a disk at least.
var padding = strings.Repeat("\x00", 512)

// A qcow2 image, created here, can be written to and is locked, with the files of its
// chain: its backing file is read, and another one's written to.
func TestWritableQcow2(t *testing.T) {
	dir := files(t, map[string]string{"base": strings.Repeat("b", 64<<10)})
	path := filepath.Join(dir, "top")
	raw, err := disk.CreateRaw(path)
	if err != nil {
		t.Fatal(err)
	}
	f := source.Known().Format("qcow2")
	if err := f.Create(raw, path, disk.CreateOptions{Size: 1 << 20, Backing: "base", BackingFormat: "raw"}); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	o := source.Options{Writable: true, Allow: all}
	d, err := source.Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	if !disk.Writable(d) {
		t.Error("it is not open for writing")
	}
	if _, err := d.WriteAt([]byte(strings.Repeat("t", 512)), 512); err != nil {
		t.Error(err)
	}
	if _, err := source.Open(context.Background(), path, o); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("a second writer: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if d, err = source.Open(context.Background(), path, source.Options{Allow: all}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.WriteAt(make([]byte, 512), 0); err == nil || disk.Writable(d) {
		t.Error("a disk that is only read is written to")
	}
	want := strings.Repeat("b", 512) + strings.Repeat("t", 512) + strings.Repeat("b", 63<<10) + strings.Repeat("\x00", 1<<20-64<<10)
	if got := content(t, d); got != want {
		t.Error("the content differs")
	}
	if raw, err = disk.OpenRaw(path, disk.Options{AnyFormat: true}); err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if r, err := f.Check(raw, path, disk.RepairNothing); err != nil || r.Errors+r.Leaks != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// The data files of an image that is opened for writing are written to and locked; its
// backing file, and all that this names, is only read.
func TestWritableDataFile(t *testing.T) {
	sector := strings.Repeat("x", 512)
	dir := files(t, map[string]string{
		"top":  patchwork(2048, "data file:a;raw", "backing file:base;patchwork", "backing file:b;raw", "data file:c;raw"),
		"base": patchwork(512, "data file:d;raw"),
		"a":    sector, "b": sector, "c": sector, "d": sector,
	})
	for _, writable := range []bool{false, true} {
		wants := map[string]bool{}
		d, err := withTests().Open(context.Background(), filepath.Join(dir, "top"), source.Options{Writable: writable, Allow: func(r disk.Reference) error {
			wants[r.Name] = r.Writable
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]bool{"a": true, "base": false, "b": false, "c": true, "d": false} {
			if wants[name] != (want && writable) {
				t.Errorf("%s: the rule is asked about writing: %v", name, wants[name])
			}
			raw, err := disk.OpenRaw(filepath.Join(dir, name), disk.Options{Writable: true, AnyFormat: true})
			if locked := errors.Is(err, disk.ErrInUse); locked != (want && writable) {
				t.Errorf("%s is locked: %v, %v", name, locked, err)
			}
			if err == nil {
				raw.Close()
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestInDirectory(t *testing.T) {
	dir := files(t, map[string]string{"file": "", "image": ""})
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"sub/link": "../file", "up": "..", "self": "sub"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "sub/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"file": true, "sub/file": true, "./file": true, dir + "/file": true,
		"sub/link": false, "up/file": false, "self/file": false, "sub/../file": false, "self/../file": false,
		"../file": false, "/etc/passwd": false, "missing": false, "": false, "nbd:x": false,
	} {
		image := filepath.Join(dir, "image")
		ref := disk.Reference{Image: image, Name: name, Path: source.Resolve(image, name)}
		if got := source.InDirectory(ref); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// A file that is smaller than a sector is no disk, but may be the descriptor of one.
func TestSmall(t *testing.T) {
	descriptor := "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2 FLAT \"flat\" 0\n"
	dir := files(t, map[string]string{"tiny": "x", "image": descriptor, "flat": strings.Repeat("flat", 256)})
	for _, o := range []source.Options{{}, {Format: "raw"}} {
		if _, err := source.Open(context.Background(), filepath.Join(dir, "tiny"), o); !errors.Is(err, disk.ErrTooSmall) {
			t.Error(err)
		}
	}
	if _, err := source.Detect(context.Background(), filepath.Join(dir, "tiny")); !errors.Is(err, disk.ErrTooSmall) {
		t.Error(err)
	}
	if _, err := source.Stat(context.Background(), filepath.Join(dir, "tiny"), source.Options{Format: "raw"}); !errors.Is(err, disk.ErrTooSmall) {
		t.Error(err)
	}
	d, err := source.Open(context.Background(), filepath.Join(dir, "image"), source.Options{Allow: all})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := content(t, d); got != strings.Repeat("flat", 256) {
		t.Errorf("%q", got)
	}
}
