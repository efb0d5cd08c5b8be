package unboot_test

import (
	"crypto/sha256"
	"slices"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
)

// touched are the fixtures whose volumes the kernel writes metadata for as soon as they are
// set up, on an image that is opened for writing, as it does for the real tools.
var touched = map[string]string{
	"lvm-cache":   "dm-cache notes that the cache is in use",
	"lvm-raid":    "dm-raid counts events in its superblocks",
	"lvm-partial": "dm-raid notes which of its members are missing",
	"md-features": "the write journal of an array is replayed before the array can be read",
}

// Opening an image for writing changes nothing on it before something is mounted for
// writing, unless the kernel keeps books about a kind of volume.
func TestVolumesUntouched(t *testing.T) {
	for _, name := range testvol.Names() {
		t.Run(name, func(t *testing.T) {
			disks := testvol.Writable(t, name)
			before := sumsOf(t, disks)
			img := openFixture(t, name, disks, unboot.Writable())
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			same := slices.Equal(sumsOf(t, disks), before)
			if why := touched[name]; same == (why != "") {
				t.Errorf("unchanged: %v, and it should be %v: %s", same, why == "", why)
			}
		})
	}
}

func sumsOf(t *testing.T, paths []string) (sums [][sha256.Size]byte) {
	t.Helper()
	for _, p := range paths {
		sum, err := rig.Sum(p)
		rig.Check(t, "sum", err)
		sums = append(sums, sum)
	}
	return sums
}
