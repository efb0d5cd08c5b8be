package rig

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// chunk is the piece of a file that is hashed, or left out if it is all zero.
const chunk = 64 << 10

// Sum returns a hash of the content and the size of a file of the host. Holes are
// not read, so that a large sparse image takes the time of its data, and count
// as the zeros that they are: where lseek(2) sees one depends on what the host
// has in its page cache.
func Sum(path string) ([sha256.Size]byte, error) {
	var sum [sha256.Size]byte
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return sum, err
	}
	h := sha256.New()
	binary.Write(h, binary.LittleEndian, size)
	var buf, zero [chunk]byte
	for at := int64(0); at < size; at += chunk {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break
		}
		if err != nil {
			return sum, err
		}
		at = start &^ (chunk - 1)
		n, err := f.ReadAt(buf[:], at)
		if err != nil && err != io.EOF {
			return sum, err
		}
		if !bytes.Equal(buf[:n], zero[:n]) {
			binary.Write(h, binary.LittleEndian, at)
			h.Write(buf[:n])
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}

// Unchanged returns a function that fails the test if the file was written to
// since: its content is another, or the host says so, as it does of zeros that
// were written over zeros and of holes that were punched.
func Unchanged(t testing.TB, path string) (check func()) {
	t.Helper()
	before, sum := look(t, path)
	return func() {
		t.Helper()
		after, now := look(t, path)
		if sum != now {
			t.Errorf("%s has changed", path)
		} else if !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s was written to, at %v", path, after.ModTime())
		}
	}
}

func look(t testing.TB, path string) (os.FileInfo, [sha256.Size]byte) {
	t.Helper()
	sum, err := Sum(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info, sum
}
