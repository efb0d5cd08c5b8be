package vdi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/internal/testimg"
)

// Programs of writes by QEMU and by us in turn, on images that qemu-img created.
func TestPrograms(t *testing.T) {
	for i := range testimg.Count(t, 6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			size := []int64{9<<20 + 512, 5 << 20, 1 << 20, 512, 17<<20 + 7*512}[i%5]
			options := []string{"static=off", "static=on"}[i/5%2]
			image := filepath.Join(t.TempDir(), "image.vdi")
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vdi", "-o", options, image, fmt.Sprint(size))
			p := imgtest.New("vdi", image, make([]byte, size), 1<<20, uint64(i))
			for range 3 {
				p.Run(t, 2)
				testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vdi", image)
			}
		})
	}
}

// An image of the field, as QEMU reads it.
func TestField(t *testing.T) {
	packed := "../../../shared/cases/files/fox-it.dissect.hypervisor-basic.vdi.xz"
	if _, err := os.Stat(packed); err != nil {
		t.Skip("not beside this checkout: ", err)
	}
	image := filepath.Join(t.TempDir(), "image")
	testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" > "+image)
	d := imgtest.Open(t, "", image, false)
	content := make([]byte, d.Size())
	if _, err := d.ReadAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	imgtest.New("vdi", image, content, 1<<20, 0).Compare(t)
}
