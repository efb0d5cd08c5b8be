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
