package imgtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/source"
)

// Same verifies that an image which is only read has the content, by whatever pieces it is
// read, and extents that agree. It closes the image.
func Same(t *testing.T, d disk.Device, content []byte) {
	t.Helper()
	if d.Size() != int64(len(content)) {
		t.Fatalf("%d bytes, want %d", d.Size(), len(content))
	}
	got := make([]byte, d.Size())
	if n, err := d.ReadAt(got, 0); n < len(got) || err != nil && err != io.EOF {
		t.Fatal(n, err)
	}
	differ(t, "we", got, content)
	r := rand.New(rand.NewPCG(1, uint64(len(content))))
	for range 100 {
		p := make([]byte, r.IntN(200000))
		off := r.IntN(len(content) + 1)
		want := content[off:][:min(len(p), len(content)-off)]
		n, err := d.ReadAt(p, int64(off))
		if n != len(want) || !bytes.Equal(p[:n], want) || n < len(p) && err != io.EOF || n == len(p) && err != nil && err != io.EOF {
			t.Fatalf("reading %d at %d: %d, %v", len(p), off, n, err)
		}
	}
	testdisk.CheckExtents(t, d, content)
	if _, err := d.WriteAt(make([]byte, 512), 0); !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// AsQemu verifies that an image is read as qemu-img reads it, in what QEMU calls the format.
func AsQemu(t *testing.T, format, qemu, image string) {
	t.Helper()
	want := testdisk.Convert(t, qemu, image)
	Same(t, Open(t, format, image, false), want)
}

// Content returns what a disk may have: some of it zeros, some alike, and some not.
func Content(size int, seed uint64) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 7))
	for at := 0; at < size; {
		n := min(1+r.IntN(200000), size-at)
		piece := b[at:][:n]
		switch r.IntN(4) {
		case 0:
			for i := range piece {
				piece[i] = byte(r.Uint32())
			}
		case 1:
			for i := range piece {
				piece[i] = byte(i / 700)
			}
		case 2:
			for i := range piece {
				piece[i] = byte(seed) + 1
			}
		}
		at += n
	}
	return b
}

// Write writes files to a directory of its own, and returns that.
func Write(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Fuzz opens whatever an image is said to have, in a format, with the same file for all that
// it names, or none if that is nil. It must end, in bounded memory; what Stat and Open say
// must agree, and so must reads and extents.
func Fuzz(t *testing.T, format string, b, other []byte) {
	f := source.Known().Format(format)
	refer := func(disk.Reference) (disk.Device, error) {
		if other == nil {
			return nil, fs.ErrNotExist
		}
		return testdisk.ReadOnly(other), nil
	}
	size, _, statErr := f.Stat(testdisk.ReadOnly(b))
	d, err := f.Open(testdisk.ReadOnly(b), "image."+format, refer)
	if err != nil {
		return
	}
	if statErr != nil || size != d.Size() {
		t.Errorf("%d bytes, not %d, %v", size, d.Size(), statErr)
	}
	testdisk.Exercise(t, d)
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
