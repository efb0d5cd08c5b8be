package asif_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk/asif"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

var be = binary.BigEndian

const (
	chunk = 32 << 10
	group = 2048 // of entries: 4 times the size of a block of 512 bytes
)

// build makes an image whose chunks that are not zeros are not in the order of the disk, of
// chunks so small that there are several groups in a table, and several tables.
func build(content map[int][]byte, size int) []byte {
	const perTable = chunk / 8 / (group + 1) * group
	file := make([]byte, chunk)
	copy(file, "shdw\x00\x00\x00\x01\x00\x00\x02\x00")
	be.PutUint64(file[16:], 512)  // the newer directory
	be.PutUint64(file[24:], 1024) // the older one
	be.PutUint64(file[48:], uint64(size/512))
	be.PutUint64(file[56:], 1<<40)
	be.PutUint32(file[64:], chunk)
	be.PutUint16(file[68:], 512)
	be.PutUint64(file[512:], 9)
	be.PutUint64(file[1024:], 8)
	be.PutUint64(file[1032:], 1<<40) // which would be damage
	tables := map[int]int{}
	for number, b := range content {
		n := number / perTable
		if tables[n] == 0 {
			tables[n] = len(file)
			be.PutUint64(file[520+8*n:], uint64(len(file)/chunk))
			file = append(file, make([]byte, chunk)...)
		}
		in := number % perTable
		be.PutUint64(file[tables[n]+8*(in+in/group):], uint64(len(file)/chunk)|3<<62)
		file = append(file, b...)
	}
	return file
}

func TestRead(t *testing.T) {
	const size = 5000*chunk + 512
	want := map[int][]byte{}
	for _, number := range []int{0, 1, 5, 2047, 2048, 2049, 4999} {
		want[number] = imgtest.Content(chunk, uint64(number))
	}
	d, err := asif.Open(testdisk.ReadOnly(build(want, size)), "image", nil)
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, size)
	for number, b := range want {
		copy(content[number*chunk:], b)
	}
	imgtest.Same(t, d, content)
}

func TestDamage(t *testing.T) {
	good := build(map[int][]byte{0: imgtest.Content(chunk, 1)}, 1<<20)
	for want, change := range map[string]func(b []byte) []byte{
		"blocks of 513":         func(b []byte) []byte { b[69] = 1; return b },
		"a disk of":             func(b []byte) []byte { b[48] = 0xff; return b },
		"a directory at 513":    func(b []byte) []byte { b[23] = 1; return b },
		"the directory of 8":    func(b []byte) []byte { b[20] = 1; return b },
		"too small for a table": func(b []byte) []byte { be.PutUint32(b[64:], 512); return b },
		"header of 92 bytes":    func(b []byte) []byte { return b[:90] },
		"the table at":          func(b []byte) []byte { b[524] = 1; return b },
		"the directory has":     func(b []byte) []byte { be.PutUint64(b[520:], 1<<54); return b },
		"was it truncated":      func(b []byte) []byte { return b[:2*chunk] },
	} {
		d, err := asif.Open(testdisk.ReadOnly(change(bytes.Clone(good))), "image", nil)
		if err == nil {
			_, err = d.ReadAt(make([]byte, d.Size()), 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// An image of macOS, of the dissect project: each of its first 255 MiB has its number in every byte.
func TestField(t *testing.T) {
	packed := "../../../shared/cases/files/fox-it.dissect.hypervisor-basic.asif.xz"
	if _, err := os.Stat(packed); err != nil {
		t.Skip("not beside this checkout: ", err)
	}
	image := filepath.Join(t.TempDir(), "image.asif")
	testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" > "+image)
	d := imgtest.Open(t, "", image, false)
	defer d.Close()
	for i := range 255 {
		p := make([]byte, 1<<20)
		if _, err := d.ReadAt(p, int64(i)<<20); err != nil || len(bytes.Trim(p, string([]byte{byte(i)}))) > 0 {
			t.Fatalf("at %d MiB: %x, %v", i, p[:8], err)
		}
	}
}

func FuzzImage(f *testing.F) {
	f.Add(build(map[int][]byte{0: imgtest.Content(chunk, 1), 3: imgtest.Content(chunk, 2)}, 1<<20))
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "asif", b, nil) })
}
