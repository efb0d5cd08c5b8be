package vhd_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/internal/testimg"
)

// Programs of writes by QEMU and by us in turn, on images that qemu-img created.
func TestPrograms(t *testing.T) {
	for i := range testimg.Count(t, 6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			size := []int64{9<<20 + 512, 5 << 20, 2 << 20, 512, 17<<20 + 7*512}[i%5]
			options := []string{"subformat=dynamic", "subformat=fixed"}[i/5%2] + ",force_size=on"
			image := filepath.Join(t.TempDir(), "image.vhd")
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", options, image, fmt.Sprint(size))
			imgtest.New("vpc", image, make([]byte, size), 2<<20, uint64(i)).Run(t, 6)
			imgtest.CheckErrors(t, "vpc", image)
		})
	}
}

func TestMain(m *testing.M) { imgtest.Main(m) }

// An image whose writer is killed has what was flushed, and QEMU reads it.
func TestKill(t *testing.T) {
	testimg.Need(t, "qemu-img")
	image := filepath.Join(t.TempDir(), "image.vhd")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", image, "100M")
	imgtest.Kill(t, "vpc", image, testimg.Count(t, 3), func() {
		testimg.MustRun(t, "qemu-img", "map", "-U", "-f", "vpc", image)
		imgtest.CheckErrors(t, "vpc", image)
	})
}

// After the last blocks of the file were discarded, QEMU puts others there, and does not clear
// what it does not write to: nothing may stand there.
func TestDiscardedEnd(t *testing.T) {
	testimg.Need(t, "qemu-img", "qemu-io")
	const size = 10 << 20
	image := filepath.Join(t.TempDir(), "image.vhd")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vpc", "-o", "force_size=on", image, fmt.Sprint(size))
	p := imgtest.New("vpc", image, make([]byte, size), 2<<20, 1)
	for _, keep := range []int64{0, 2 << 20} {
		d := imgtest.Open(t, "vpc", image, true)
		if _, err := d.WriteAt(bytes.Repeat([]byte{7}, size), 0); err != nil {
			t.Fatal(err)
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		x, ok := disk.As[disk.Discarder](d)
		if !ok {
			t.Fatal("nothing is discarded")
		}
		if err := x.Discard(keep, size-keep); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		copy(p.Content, bytes.Repeat([]byte{7}, int(keep)))
		clear(p.Content[keep:])
		for off := int64(512); off < size; off += 2 << 20 {
			testimg.MustRun(t, "qemu-io", "-f", "vpc", "-c", fmt.Sprintf("write -P 9 %d 512", off), image)
			copy(p.Content[off:], bytes.Repeat([]byte{9}, 512))
		}
		p.Compare(t)
		imgtest.CheckErrors(t, "vpc", image)
	}
}
