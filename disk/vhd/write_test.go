package vhd_test

import (
	"fmt"
	"path/filepath"
	"testing"

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
	})
}
