package vmdk

import (
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/testdisk"
)

// newMemory returns an image that was created.
func newMemory(o disk.CreateOptions) *testdisk.Disk {
	m := testdisk.New(nil)
	if err := Create(m, "image", o); err != nil {
		panic(err)
	}
	return m
}
