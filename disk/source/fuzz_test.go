package source_test

import (
	"context"
	"errors"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
)

// FuzzFormat opens whatever an image begins and ends with. It ends, without a panic, and
// what the format is said to be is what it is opened as. Nothing that is named is opened.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{
		"", "QFI\xfb", "QFI\xfb\x00\x00\x00\x01", string(overlay(1<<20, "base", "raw")), "KDMV", "\x1f\x8b\x08",
		patchwork(1<<20, "data file:a;raw"), patchwork(-5), "<html>", "\x7fELF\x02\x02\x01\x00AI\x02",
	} {
		f.Add([]byte(s), []byte(""), uint16(0))
		f.Add([]byte(s), []byte("koly\x00\x00\x00\x04"), uint16(4096))
	}
	r := withTests()
	f.Fuzz(func(t *testing.T, head, tail []byte, gap uint16) {
		memory = map[string]string{"x": string(head) + string(make([]byte, gap)) + string(tail)}
		ctx := context.Background()
		format, err := r.Detect(ctx, "mem://x")
		if e, ok := errors.AsType[*disk.FormatError](err); ok && r.Format(e.Format) != nil {
			t.Errorf("%v, which is known", err)
		}
		d, openErr := r.Open(ctx, "mem://x", source.Options{})
		if err != nil && openErr == nil {
			t.Errorf("opens, although %v", err)
		}
		info, statErr := r.Stat(ctx, "mem://x", source.Options{})
		if openErr == nil {
			if statErr != nil || info.Format != format || info.Size != d.Size() {
				t.Errorf("%s: %+v, %v, but %d bytes", format, info, statErr, d.Size())
			}
			p := make([]byte, 600)
			if n, err := d.ReadAt(p, 0); n < len(p) && err == nil {
				t.Errorf("%d bytes without an error", n)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		}
		if opened.Load() != 0 {
			t.Error("something is still open")
		}
	})
}
