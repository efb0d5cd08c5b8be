package vdi_test

import (
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/vdi"
	"github.com/unboot/unboot/internal/testimg"
)

func TestMain(m *testing.M) { imgtest.Main(m) }

// An image whose writer is killed has what was flushed, and is in order for QEMU after
// what Check repairs.
func TestKill(t *testing.T) {
	t.Parallel()
	testimg.Need(t, "qemu-img")
	image := filepath.Join(t.TempDir(), "image.vdi")
	imgtest.Create(t, "vdi", image, disk.CreateOptions{Size: 100 << 20})
	imgtest.Kill(t, "vdi", image, testimg.Count(t, 3), func() {
		d, err := disk.OpenRaw(image, disk.Options{Writable: true, AnyFormat: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		result, err := vdi.Check(d, image, disk.RepairAll)
		if err != nil || result.Errors != result.ErrorsFixed || result.Leaks != result.LeaksFixed || result.Errors > 1 {
			t.Errorf("%+v, %v", result, err)
		}
		testimg.MustRun(t, "qemu-img", "check", "-U", "-q", "-f", "vdi", image)
	})
}
