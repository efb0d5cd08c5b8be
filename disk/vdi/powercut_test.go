package vdi

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/internal/testimg"
)

// Wherever the power is cut, the image has no errors but the number of places in its header,
// and everything that was flushed.
func TestPowerCut(t *testing.T) {
	for i := range testimg.Count(t, 6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			h := Header{Type: typeDynamic, Size: 1 << 20, BlockSize: 32 << 10, Blocks: 32, Create: UUID{1}, Modify: UUID{2}, mapAt: 512, dataAt: 4096}
			if i%2 == 1 {
				h.BlockSize, h.Blocks = 4096, 256
			}
			file := testdisk.New(nil)
			if err := h.write(file); err != nil {
				t.Fatal(err)
			}
			c := &testdisk.Cut{Rand: rand.New(rand.NewPCG(1, uint64(i))), Unit: h.BlockSize, Open: func(d *testdisk.Disk) (disk.Device, error) {
				return New(d, "image", Options{})
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
