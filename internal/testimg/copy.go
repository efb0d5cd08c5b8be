package testimg

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// lseek(2)'s whence values for sparse files.
const (
	seekData = 3
	seekHole = 4
)

// Writable returns the host path of a private copy of an image, which the test
// may change and which goes away when the test ends.
func Writable(t testing.TB, image string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(image))
	if err := Copy(image, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// Extract returns the host path of a private file with the size bytes of an
// image from off on: one partition, for tools that take no offset.
func Extract(t testing.TB, image string, off, size int64) string {
	t.Helper()
	src, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	out := filepath.Join(t.TempDir(), fmt.Sprintf("%s-%d", filepath.Base(image), off))
	dst, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := dst.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := copySparse(dst, 0, src, off, size); err != nil {
		t.Fatal(err)
	}
	return out
}

// Copy copies a file and keeps its holes. The copy can be written by its owner.
func Copy(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	st, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if err := dst.Truncate(st.Size()); err != nil {
		dst.Close()
		return err
	}
	if err := copySparse(dst, 0, src, 0, st.Size()); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}

// copySparse copies the data, not the holes, of size bytes of src at srcOff to
// dst at dstOff. What lies there in dst is taken to be a hole already.
func copySparse(dst *os.File, dstOff int64, src *os.File, srcOff, size int64) error {
	end := srcOff + size
	for pos := srcOff; pos < end; {
		data, err := src.Seek(pos, seekData)
		if errors.Is(err, syscall.ENXIO) || err == nil && data >= end {
			return nil // a hole up to the end
		} else if err != nil {
			return err
		}
		hole, err := src.Seek(data, seekHole)
		if err != nil {
			return err
		}
		hole = min(hole, end)
		if _, err := src.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := dst.Seek(dstOff+data-srcOff, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(dst, src, hole-data); err != nil {
			return err
		}
		pos = hole
	}
	return nil
}
