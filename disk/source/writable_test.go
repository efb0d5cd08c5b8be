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
	dir := files(t, map[string]string{"raw": strings.Repeat("x", 4096), "qcow2": string(overlay(4096, "", "")), "gzip": "\x1f\x8b\x08" + strings.Repeat("z", 4096)})
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

	other, err := disk.OpenRaw(filepath.Join(dir, "qcow2"), disk.Options{Writable: true, AnyFormat: true})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for _, o := range []source.Options{writable, {Writable: true, Format: "qcow2"}} {
		err := try("qcow2", o)
		if e, ok := errors.AsType[*disk.FormatError](err); !ok || e.Format != "qcow2" || !strings.Contains(e.Hint, "can only be read") {
			t.Errorf("a qcow2 image: %v", err)
		}
	}
	if err := try("qcow2", source.Options{}); err != nil {
		t.Errorf("to read a qcow2 image: %v", err)
	}
	if err := try("qcow2", source.Options{Writable: true, Format: "raw"}); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("as a raw image: %v", err)
	}
	if e, ok := errors.AsType[*disk.FormatError](try("gzip", writable)); !ok || e.Format != "gzip" {
		t.Errorf("what is not a disk: %v", e)
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
