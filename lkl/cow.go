package lkl

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A cow is a BlockDevice over another that is only read: what is written goes
// to an overlay, in clusters at the same offsets. The kernel process does the
// same for disks that are files.
type cow struct {
	base    BlockDevice
	overlay BlockDevice
	limit   int64 // bytes, or 0

	mu   sync.RWMutex         // held for writing while clusters are filled
	have map[int64]*[8]uint64 // guarded by mu: clusters in the overlay, a bit each
	used int64                // guarded by mu: bytes
}

const (
	cowCluster = 4096
	cowGroup   = 512 // clusters of one element of have
)

func newCow(base, overlay BlockDevice, limit int64) *cow {
	return &cow{base: base, overlay: overlay, limit: limit, have: make(map[int64]*[8]uint64)}
}

func (c *cow) has(n int64) bool {
	g := c.have[n/cowGroup]
	return g != nil && g[n%cowGroup/64]&(1<<(n%64)) != 0
}

func (c *cow) set(n int64) {
	g := c.have[n/cowGroup]
	if g == nil {
		g = new([8]uint64)
		c.have[n/cowGroup] = g
	}
	g[n%cowGroup/64] |= 1 << (n % 64)
	c.used += cowCluster
}

// Size is BlockDevice's.
func (c *cow) Size() int64 { return c.base.Size() }

// ReadAt reads each run of clusters from where it is.
func (c *cow) ReadAt(p []byte, off int64) (int, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	done := 0
	for done < len(p) {
		at := off + int64(done)
		written := c.has(at / cowCluster)
		end := (at/cowCluster + 1) * cowCluster
		for end < off+int64(len(p)) && c.has(end/cowCluster) == written {
			end += cowCluster
		}
		part := p[done:min(int64(len(p)), end-off)]
		dev := c.base
		if written {
			dev = c.overlay
		}
		if err := readAll(dev, part, at); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}

// WriteAt writes to the overlay, after the rest of clusters that are written
// for the first time and in part only.
func (c *cow) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first, last := off/cowCluster, (off+int64(len(p))-1)/cowCluster
	var more int64
	for n := first; n <= last; n++ {
		if !c.has(n) {
			more += cowCluster
		}
	}
	if c.limit > 0 && c.used+more > c.limit {
		return 0, unix.ENOSPC
	}
	if off%cowCluster != 0 {
		if err := c.fill(first); err != nil {
			return 0, err
		}
	}
	if end := off + int64(len(p)); end%cowCluster != 0 {
		if err := c.fill(last); err != nil {
			return 0, err
		}
	}
	n, err := c.overlay.WriteAt(p, off)
	if err != nil {
		return n, err
	}
	for n := first; n <= last; n++ {
		if !c.has(n) {
			c.set(n)
		}
	}
	return n, nil
}

// fill copies a cluster from the base if the overlay has not got it.
func (c *cow) fill(n int64) error {
	if c.has(n) {
		return nil
	}
	at := n * cowCluster
	buf := make([]byte, max(0, min(cowCluster, c.base.Size()-at)))
	if err := readAll(c.base, buf, at); err != nil {
		return err
	}
	if err := writeAll(c.overlay, buf, at); err != nil {
		return err
	}
	c.set(n)
	return nil
}

// Flush does nothing: an overlay does not outlive the kernel.
func (c *cow) Flush() error { return nil }
