package vhd

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// Wherever the power is cut, the image has no errors but in one of its footers, and everything
// that was flushed.
func TestPowerCut(t *testing.T) {
	for i := range testimg.Count(t, 6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			const size, block = 1<<20 + 4096, 64 << 10
			parent := newSparse(Dynamic, size, block, parentID)
			file := testdisk.New(parent.bytes())
			switch i % 3 {
			case 1:
				child := newSparse(Differencing, size, block, childID)
				child.parent(parentID, "x.vhd")
				file = testdisk.New(child.bytes())
			case 2:
				file = testdisk.New(nil)
				if err := create(file, disk.CreateOptions{Size: size, Kind: []string{"fixed", ""}[i/3%2]}); err != nil {
					t.Fatal(err)
				}
			}
			c := &testdisk.Cut{Rand: rand.New(rand.NewPCG(1, uint64(i))), Unit: block, Open: func(d *testdisk.Disk) (disk.Device, error) {
				return New(d, "image", func(disk.Reference) (disk.Device, error) {
					return New(testdisk.ReadOnly(parent.bytes()), "parent", nil)
				})
			}, Check: func(d *testdisk.Disk) error {
				r, err := Check(d, "image", disk.RepairNothing)
				if err == nil && r.Errors > 1 {
					err = errors.New(fmt.Sprint(r))
				}
				return err
			}}
			c.Run(t, file, 60)
		})
	}
}
