package rig

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Sum returns a hash of a file of the host. Holes are hashed as such, so that
// a large sparse image takes the time of its data; to fill a hole with zeros
// changes the sum.
func Sum(path string) ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	var at int64
	for {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return sum, err
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return sum, err
		}
		binary.Write(h, binary.LittleEndian, [2]int64{start, end})
		if _, err := io.Copy(h, io.NewSectionReader(f, start, end-start)); err != nil {
			return sum, err
		}
		at = end
	}
	size, err := f.Seek(0, io.SeekEnd)
	binary.Write(h, binary.LittleEndian, size)
	h.Sum(sum[:0])
	return sum, err
}

// Unchanged fails the test when it ends, or when the returned function is
// called, if the file has changed.
func Unchanged(t testing.TB, path string) (check func()) {
	t.Helper()
	before, err := Sum(path)
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		after, err := Sum(path)
		if err != nil {
			t.Fatal(err)
		}
		if before != after {
			t.Errorf("%s has changed", path)
		}
	}
}
