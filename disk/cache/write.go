package cache

import (
	"errors"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// WriteAt writes through to the device.
func (c *Device) WriteAt(p []byte, off int64) (int, error) {
	defer c.forget(off, int64(len(p)))
	return c.inner.WriteAt(p, off)
}

// Resize implements [disk.Resizer].
func (c *Device) Resize(size int64) error {
	r, ok := disk.As[disk.Resizer](c.inner)
	if !ok {
		return syscall.EOPNOTSUPP
	}
	was := c.follow()
	err := r.Resize(size)
	// What was cut off must not be there again when it grows.
	c.forget(min(size, was), was-min(size, was))
	c.follow()
	return err
}

// follow returns the size, which may be another one now. The last block of the smaller size is
// another one, too.
func (c *Device) follow() int64 {
	size := c.inner.Size()
	c.mu.Lock()
	defer c.mu.Unlock()
	if size != c.size {
		if least := min(size, c.size); least%c.block != 0 {
			c.lose(least / c.block)
		}
		c.size = size
	}
	return size
}

// Discard implements [disk.Discarder]. It does nothing if the device is none.
func (c *Device) Discard(off, n int64) error {
	d, ok := disk.As[disk.Discarder](c.inner)
	if !ok {
		return nil
	}
	defer c.forget(off, n)
	return d.Discard(off, n)
}

// WriteZeroes implements [disk.ZeroWriter].
func (c *Device) WriteZeroes(off, n int64) error {
	if z, ok := disk.As[disk.ZeroWriter](c.inner); ok {
		defer c.forget(off, n)
		if err := z.WriteZeroes(off, n); !errors.Is(err, syscall.EOPNOTSUPP) {
			return err
		}
	}
	b := make([]byte, min(n, 1<<20))
	for ; n > 0; n, off = n-int64(len(b)), off+int64(len(b)) {
		b = b[:min(n, int64(len(b)))]
		if _, err := c.WriteAt(b, off); err != nil {
			return err
		}
	}
	return nil
}

// forget drops blocks that were written to. What was being fetched meanwhile may be what was
// there before.
func (c *Device) forget(off, n int64) {
	if off < 0 || n <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := off / c.block; i*c.block < off+n && i*c.block < c.size; i++ {
		c.lose(i)
	}
}

// lose drops a block. The caller holds mu.
func (c *Device) lose(i int64) {
	if f := c.flight[i]; f != nil {
		f.stale = true
		delete(c.flight, i)
	}
	c.store.drop(i)
}
