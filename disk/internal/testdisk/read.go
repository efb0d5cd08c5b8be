package testdisk

import (
	"bytes"
	"io"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
)

// extents yields extents, and fails the test where they are not one after the other.
func extents(t testing.TB, d disk.Device, off, n int64) iter.Seq2[disk.Extent, error] {
	t.Helper()
	x, ok := disk.As[disk.Extenter](d)
	if !ok {
		t.Fatal("it has no extents")
	}
	return func(yield func(disk.Extent, error) bool) {
		end := off
		for e, err := range x.Extents(off, n) {
			if err == nil && (e.Start != end || e.Size <= 0 || e.Start+e.Size > d.Size()) {
				t.Fatalf("%+v follows %d", e, end)
			}
			if end += e.Size; !yield(e, err) {
				return
			}
		}
	}
}

// ReadAll returns what a disk has, and fails the test where its extents say something else.
func ReadAll(t testing.TB, d disk.Device) []byte {
	t.Helper()
	b := make([]byte, d.Size())
	if n, err := d.ReadAt(b, 0); n < len(b) {
		t.Fatal(err)
	}
	CheckExtents(t, d, b)
	return b
}

// CheckExtents verifies that the extents of a disk fill it, and that what they say to be
// zeros is.
func CheckExtents(t testing.TB, d disk.Device, content []byte) {
	t.Helper()
	end := int64(0)
	for e, err := range extents(t, d, 0, d.Size()+1000) {
		if err != nil {
			t.Fatal(err)
		}
		end += e.Size
		if zeros(e) && len(bytes.Trim(content[e.Start:end], "\x00")) > 0 {
			t.Errorf("%+v is not zeros", e)
		}
	}
	if end != d.Size() {
		t.Errorf("the extents end at %d of %d", end, d.Size())
	}
}

func zeros(e disk.Extent) bool { return e.Kind == disk.Hole || e.Kind == disk.Zero }

// Exercise reads some of a disk that nobody vouches for: at its beginning, in its middle and
// at its end. It may fail, but reads and extents must agree.
func Exercise(t testing.TB, d disk.Device) {
	t.Helper()
	for _, off := range []int64{0, d.Size() / 2, max(d.Size()-700, 0)} {
		n := 0
		for e, err := range extents(t, d, off, d.Size()) {
			if err != nil {
				break
			}
			p := bytes.Repeat([]byte{0xaa}, int(min(e.Size, 10000)))
			got, err := d.ReadAt(p, e.Start)
			if err == nil && got != len(p) || err == io.EOF {
				t.Fatalf("read %d bytes at %d: %d, %v", len(p), e.Start, got, err)
			}
			if zeros(e) && (err != nil || len(bytes.Trim(p, "\x00")) > 0) {
				t.Fatalf("%+v is not zeros: %v", e, err)
			}
			if n++; n == 30 {
				break
			}
		}
	}
}

// Convert returns what qemu-img convert reads of an image in a format.
func Convert(t testing.TB, format, path string) []byte {
	t.Helper()
	raw := filepath.Join(t.TempDir(), "raw")
	testimg.MustRun(t, "qemu-img", "convert", "-q", "-t", "unsafe", "-f", format, "-O", "raw", path, raw)
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
