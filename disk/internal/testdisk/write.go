package testdisk

import (
	"bytes"
	"testing"

	"github.com/unboot/unboot/disk"
)

// Written is what was written to a disk, by offsets, in sectors of 512 bytes.
type Written map[int64][]byte

// Scribble writes to a disk that nobody vouches for, in units of so many bytes, of which
// some meet. It returns what was written without an error.
func Scribble(d disk.Device, unit int64) Written {
	w := Written{}
	half := d.Size() / 2 / unit * unit
	for i, off := range []int64{0, 2 * unit, unit, half, d.Size()/unit*unit - unit} {
		p := bytes.Repeat([]byte{byte(0x80 + i)}, int(unit))
		if off < 0 {
			continue
		}
		delete(w, off) // by an error, some of it may be done
		if n, err := d.WriteAt(p, off); err == nil && n == len(p) {
			w[off] = p
		}
		if i != 2 {
			continue
		}
		delete(w, off)
		delete(w, off+unit)
		if z, ok := disk.As[disk.ZeroWriter](d); ok && z.WriteZeroes(off, 2*unit) == nil {
			w[off], w[off+unit] = make([]byte, unit), make([]byte, unit)
		}
		if x, ok := disk.As[disk.Discarder](d); ok {
			delete(w, half)
			x.Discard(half, unit)
		}
	}
	return w
}

// Verify fails the test if a disk does not have what was written. when is for errors.
func (w Written) Verify(t testing.TB, d disk.Device, when string) {
	t.Helper()
	for off, want := range w {
		p := make([]byte, len(want))
		if _, err := d.ReadAt(p, off); err != nil || !bytes.Equal(p, want) {
			t.Errorf("%s: at %d: %x, not %x, %v", when, off, p[:8], want[:8], err)
		}
	}
}
