package vhdx

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// Wherever the power is cut, the image has no errors and everything that was flushed.
func TestPowerCut(t *testing.T) {
	for i := range testimg.Count(t, 6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			const size = 5*mib + 8192
			parent := newImage(size, mib, []int64{512, 4096}[i/3%2], nil)
			b := parent
			switch i % 3 {
			case 1:
				b = newImage(size, mib, parent.m.sector, map[string]string{keyLinkage: parentWrite.String(), keyRelative: "x"})
			case 2:
				b = &builder{Disk: testdisk.New(nil)}
				if err := create(b.Disk, disk.CreateOptions{Size: size, Kind: kindFixed, ClusterSize: mib}); err != nil {
					t.Fatal(err)
				}
			}
			b.ReadOnly = false
			c := &testdisk.Cut{Rand: rand.New(rand.NewPCG(1, uint64(i))), Unit: mib, Sector: parent.m.sector, Open: func(d *testdisk.Disk) (disk.Device, error) {
				return New(d, "image", func(disk.Reference) (disk.Device, error) { return New(parent.Clone(), "parent", nil) })
			}, Check: func(d *testdisk.Disk) error {
				r, err := Check(d, "image", disk.RepairNothing)
				if err == nil && r.Errors > 1 { // a log, or a header that was cut off
					err = errors.New(fmt.Sprint(r))
				}
				return err
			}}
			c.Run(t, b.Disk, 60)
		})
	}
}
