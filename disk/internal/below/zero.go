package below

import "github.com/unboot/unboot/disk"

// Zeros is some of what zeros are written from. It must not be changed.
var Zeros = make([]byte, 1<<20)

// Zero zeroes a part of a file, by its own way to do so where it has one.
func Zero(d disk.Device, off, n int64) error {
	if z, ok := disk.As[disk.ZeroWriter](d); ok && z.WriteZeroes(off, n) == nil {
		return nil
	}
	for n > 0 {
		b := Zeros[:min(n, int64(len(Zeros)))]
		if _, err := d.WriteAt(b, off); err != nil {
			return err
		}
		off, n = off+int64(len(b)), n-int64(len(b))
	}
	return nil
}
