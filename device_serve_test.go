package unboot

import (
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/lkl"
)

// fakeDisk is a disk with only the methods that it must have.
type fakeDisk struct{ disk.Device }

type discardDisk struct{ fakeDisk }

func (discardDisk) Discard(off, n int64) error { return nil }

type zeroDisk struct{ fakeDisk }

func (zeroDisk) WriteZeroes(off, n int64) error { return nil }

type richDisk struct {
	discardDisk
	zeroDisk
}

func (richDisk) ReadAt(p []byte, off int64) (int, error)  { return len(p), nil }
func (richDisk) WriteAt(p []byte, off int64) (int, error) { return len(p), nil }
func (richDisk) Size() int64                              { return 4096 }
func (richDisk) Flush() error                             { return nil }
func (richDisk) Close() error                             { return nil }

type wrappedDisk struct{ disk.Device }

func (w wrappedDisk) Unwrap() disk.Device { return w.Device }

// The kernel is promised what a disk can do, through wrappers too, and nothing more.
func TestBlockDevice(t *testing.T) {
	for name, c := range map[string]struct {
		d                disk.Device
		discards, zeroes bool
	}{
		"nothing":         {fakeDisk{}, false, false},
		"discards":        {discardDisk{}, true, false},
		"zeroes":          {zeroDisk{}, false, true},
		"both":            {richDisk{}, true, true},
		"wrapped":         {wrappedDisk{wrappedDisk{richDisk{}}}, true, true},
		"wrapped nothing": {wrappedDisk{fakeDisk{}}, false, false},
		"extended":        {disk.Extend(richDisk{}, 8192), false, false},
	} {
		var b lkl.BlockDevice = blockDevice(c.d)
		if _, ok := b.(lkl.Discarder); ok != c.discards {
			t.Errorf("%s: discards: %v", name, ok)
		}
		if _, ok := b.(lkl.ZeroWriter); ok != c.zeroes {
			t.Errorf("%s: zeroes: %v", name, ok)
		}
	}
}
