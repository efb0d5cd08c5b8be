package disk_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"github.com/unboot/unboot/disk"
)

// bare is a device that can do nothing but what it must.
type bare struct{ size int64 }

func (b bare) ReadAt(p []byte, off int64) (int, error)  { clear(p); return len(p), nil }
func (b bare) WriteAt(p []byte, off int64) (int, error) { return len(p), nil }
func (b bare) Size() int64                              { return b.size }
func (b bare) Flush() error                             { return nil }
func (b bare) Close() error                             { return nil }

// sparse is a device that can discard and zero.
type sparse struct {
	bare
	name string
}

func (s sparse) Discard(off, n int64) error     { return errors.New("discarded by " + s.name) }
func (s sparse) WriteZeroes(off, n int64) error { return errors.New("zeroed by " + s.name) }

// wrapper has the same bytes as what is in it.
type wrapper struct{ disk.Device }

func (w wrapper) Unwrap() disk.Device { return w.Device }

// discardingWrapper answers for itself.
type discardingWrapper struct{ wrapper }

func (discardingWrapper) Discard(off, n int64) error { return errors.New("discarded by the wrapper") }

// A capability is found through wrappers, the outermost first.
func TestAs(t *testing.T) {
	inner := sparse{bare{4096}, "the inner one"}
	for _, c := range []struct {
		name             string
		d                disk.Device
		discards, zeroes string
	}{
		{"nothing", nil, "", ""},
		{"bare", bare{}, "", ""},
		{"own", inner, "discarded by the inner one", "zeroed by the inner one"},
		{"wrapped", wrapper{wrapper{inner}}, "discarded by the inner one", "zeroed by the inner one"},
		{"wrapped, nothing", wrapper{wrapper{bare{}}}, "", ""},
		{"wrapper of nothing", wrapper{}, "", ""},
		{"outermost", wrapper{discardingWrapper{wrapper{inner}}}, "discarded by the wrapper", "zeroed by the inner one"},
		// It has other bytes, so that what is inside must not be reached.
		{"extended", disk.Extend(inner, 8192), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			message := func(ok bool, do func() error) string {
				if !ok {
					return ""
				}
				return do().Error()
			}
			d, ok := disk.As[disk.Discarder](c.d)
			if got := message(ok, func() error { return d.Discard(0, 1) }); got != c.discards {
				t.Errorf("discard: %q, want %q", got, c.discards)
			}
			z, ok := disk.As[disk.ZeroWriter](c.d)
			if got := message(ok, func() error { return z.WriteZeroes(0, 1) }); got != c.zeroes {
				t.Errorf("write zeroes: %q, want %q", got, c.zeroes)
			}
		})
	}
	if s, ok := disk.As[sparse](wrapper{inner}); !ok || s.name != inner.name {
		t.Error("a device is not found by its type")
	}
}

// The capabilities of a raw disk are found through a wrapper, and its file is the disk.
func TestRawCapabilities(t *testing.T) {
	raw, err := disk.OpenRaw(image(t, 1<<20, "content"), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	d := wrapper{raw}
	file, ok := disk.As[disk.HostFile](d)
	if !ok {
		t.Fatal("no file")
	}
	b := make([]byte, 7)
	if _, err := file.File().ReadAt(b, 0); err != nil || string(b) != "content" {
		t.Errorf("the file reads %q, %v", b, err)
	}
	if s, ok := disk.As[disk.SectorSizer](d); !ok || s.SectorSize() != 0 {
		t.Error("an image file has no sectors of its own")
	}
	if _, ok := disk.As[disk.WritebackStarter](d); !ok {
		t.Error("writing cannot be started")
	}
	if err := disk.Extend(d, 2<<20).Close(); err != nil {
		t.Error(err)
	}
	if _, err := raw.ReadAt(b, 0); !errors.Is(err, os.ErrClosed) || errors.Is(err, io.EOF) {
		t.Errorf("what was extended is still open: %v", err)
	}
}
