package vmdk_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

// openImage opens an image for reading, with all files that it names.
func openImage(path string) (disk.Device, error) {
	return source.Open(context.Background(), path, source.Options{Format: "vmdk", Allow: func(disk.Reference) error { return nil }})
}

// compareSparse compares what is there of a large image with what QEMU reads.
func compareSparse(t *testing.T, d disk.Device, image string) {
	t.Helper()
	raw := filepath.Join(t.TempDir(), "raw")
	testimg.MustRun(t, "qemu-img", "convert", "-q", "-f", "vmdk", "-O", "raw", image, raw)
	f, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x, _ := disk.As[disk.Extenter](d)
	n := int64(0)
	for e, err := range x.Extents(0, d.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		size := min(e.Size, 4<<20)
		got, want := make([]byte, size), make([]byte, size)
		if _, err := d.ReadAt(got, e.Start); err != nil {
			t.Fatal(err)
		}
		if _, err := f.ReadAt(want, e.Start); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("differs at %d", e.Start)
		}
		n += e.Size
	}
	if n != d.Size() {
		t.Errorf("extents of %d bytes, of %d", n, d.Size())
	}
}
