package vmdk_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/vmdk"
	"github.com/unboot/unboot/internal/testimg"
)

func TestMain(m *testing.M) { imgtest.Main(m) }

// An image whose writer is killed has what was flushed, and is in order for QEMU.
func TestKill(t *testing.T) {
	for _, kind := range []string{"", "delta", "subformat=twoGbMaxExtentSparse", "subformat=monolithicFlat"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			testimg.Need(t, "qemu-img")
			dir := t.TempDir()
			image := filepath.Join(dir, "image.vmdk")
			switch kind {
			case "":
				imgtest.Create(t, "vmdk", image, disk.CreateOptions{Size: 100 << 20})
			case "delta":
				base := filepath.Join(dir, "base.vmdk")
				imgtest.Create(t, "vmdk", base, disk.CreateOptions{Size: 100 << 20})
				parent := imgtest.Open(t, "vmdk", base, false)
				imgtest.Create(t, "vmdk", image, disk.CreateOptions{Backing: "base.vmdk", Parent: parent})
				parent.Close()
			default:
				qemuCreate(t, image, kind, 100<<20)
			}
			imgtest.Kill(t, "vmdk", image, testimg.Count(t, 2), func() {
				testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vmdk", image)
				checkRepair(t, image)
			})
		})
	}
}

// checkRepair checks an image after a kill, of which only leaks and tables that differ may
// be wrong, and nothing after it was repaired.
func checkRepair(t *testing.T, image string) {
	t.Helper()
	for i := range 2 {
		d, err := disk.OpenRaw(image, disk.Options{Writable: true, AnyFormat: true, Small: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		result, err := vmdk.Check(d, image, disk.RepairAll)
		if err != nil || result.Errors != result.ErrorsFixed || result.Leaks != result.LeaksFixed || i == 1 && result.Errors+result.Leaks > 0 {
			t.Errorf("%+v, %v", result, err)
		}
		for _, p := range result.Problems {
			if !strings.Contains(p, "directories differ") && !strings.Contains(p, "are not of the disk") {
				t.Error(p)
			}
		}
		d.Close()
	}
}
