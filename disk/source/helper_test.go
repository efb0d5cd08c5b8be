package source_test

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
)

// overlay returns a qcow2 image of size bytes in which nothing is, with a backing file.
func overlay(size int64, backing, format string) []byte {
	be := binary.BigEndian
	const l1 = 64 << 10
	b := make([]byte, 2*l1)
	copy(b, "QFI\xfb\x00\x00\x00\x02")
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], uint64(size))
	be.PutUint32(b[36:], uint32(size>>29+1))
	be.PutUint64(b[40:], l1)
	if format != "" {
		be.PutUint32(b[72:], 0xe2792aca) // the backing file's format
		be.PutUint32(b[76:], uint32(len(format)))
		copy(b[80:], format)
	}
	if backing != "" {
		be.PutUint64(b[8:], 200)
		be.PutUint32(b[16:], uint32(len(backing)))
		copy(b[200:], backing)
	}
	return b
}

// files makes files in a new directory and returns that.
func files(t testing.TB, contents map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// all allows everything.
func all(disk.Reference) error { return nil }

// content returns all that is on a disk.
func content(t *testing.T, d disk.Device) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// descriptors returns how many files are open.
func descriptors(t *testing.T) int {
	t.Helper()
	l, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(l)
}
