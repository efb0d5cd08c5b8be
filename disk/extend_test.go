package disk_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
)

func TestExtend(t *testing.T) {
	data := bytes.Repeat([]byte("x"), 700)
	raw, err := disk.OpenRaw(image(t, 700, string(data)), disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	const size = 1 << 40
	d := disk.Extend(raw, size)
	if d.Size() != size {
		t.Errorf("size %d", d.Size())
	}
	for _, c := range []struct {
		off  int64
		n, x int // bytes, and how many of them are data
	}{
		{0, 512, 512}, {512, 512, 188}, {0, 4096, 700}, {700, 10, 0}, {1024, 512, 0}, {size - 512, 512, 0},
	} {
		want := append(bytes.Repeat([]byte("x"), c.x), make([]byte, c.n-c.x)...)
		got := bytes.Repeat([]byte("y"), c.n)
		if n, err := d.ReadAt(got, c.off); n != c.n || err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes at %d: %d, %v, %q", c.n, c.off, n, err, got)
		}
	}
	for off, want := range map[int64]int{size - 10: 10, size: 0, size + 1: 0} {
		if n, err := d.ReadAt(make([]byte, 20), off); n != want || err != io.EOF {
			t.Errorf("at %d: %d, %v", off, n, err)
		}
	}
	if _, err := d.ReadAt(make([]byte, 20), -1); err == nil {
		t.Error("read before the start")
	}
	if _, err := d.WriteAt(data, 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("write: %v", err)
	}
}
