package crash

import (
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// A volatile device is a disk with a write cache: what was written since the
// last flush may be lost, in part, when the power is cut.
type volatile struct {
	now    *os.File // what is read
	stable *os.File // what has been flushed

	mu      sync.Mutex
	pending []write // guarded by mu
	cut     bool    // guarded by mu: the power is off
}

type write struct {
	off  int64
	data []byte
}

func (v *volatile) Size() int64 { return fileDevice{v.now}.Size() }

func (v *volatile) ReadAt(p []byte, off int64) (int, error) { return v.now.ReadAt(p, off) }

func (v *volatile) WriteAt(p []byte, off int64) (int, error) {
	data := append([]byte(nil), p...)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cut {
		return 0, unix.EIO
	}
	v.pending = append(v.pending, write{off, data})
	return v.now.WriteAt(data, off)
}

func (v *volatile) Flush() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cut {
		return unix.EIO
	}
	for _, w := range v.pending {
		if _, err := v.stable.WriteAt(w.data, w.off); err != nil {
			return err
		}
	}
	v.pending = nil
	return nil
}

// powerOff leaves in stable what was flushed, and some blocks of the rest. It
// returns how many blocks were kept and lost.
func (v *volatile) powerOff(rng *rand.Rand) (kept, lost int, err error) {
	const block = 4096
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cut = true
	keep := rng.IntN(101) // percent
	for _, w := range v.pending {
		for len(w.data) > 0 {
			n := min(int(block-w.off%block), len(w.data))
			if rng.IntN(100) < keep {
				kept++
				if _, err := v.stable.WriteAt(w.data[:n], w.off); err != nil {
					return kept, lost, err
				}
			} else {
				lost++
			}
			w.data, w.off = w.data[n:], w.off+int64(n)
		}
	}
	return kept, lost, nil
}

// TestPowerCut loses what was not flushed, which a kill of the process does
// not: it finds a flush that is missing.
func TestPowerCut(t *testing.T) {
	for _, s := range subjects {
		if !s.strict {
			continue
		}
		t.Run(s.fstype, func(t *testing.T) {
			t.Parallel()
			cuts := s.kills / 4
			if testing.Short() {
				cuts = 2
			}
			c := newCampaign(t, s, rand.Uint64())
			c.cut = true
			for range cuts {
				if c.powerCut(t); t.Failed() {
					t.Logf("image: %s", c.keep(t))
					break
				}
			}
			c.report(t)
		})
	}
}

// TestSoakPowerCut does so for as long as UNBOOT_SOAK says.
func TestSoakPowerCut(t *testing.T) {
	for _, s := range subjects {
		if !s.strict {
			continue
		}
		t.Run(s.fstype, func(t *testing.T) {
			until := time.Now().Add(soak(t) / 5)
			for time.Now().Before(until) && !t.Failed() {
				c := newCampaign(t, s, rand.Uint64())
				c.cut = true
				for range 20 {
					if c.powerCut(t); t.Failed() {
						t.Logf("image: %s", c.keep(t))
						break
					}
				}
				c.report(t)
				os.Remove(c.image)
			}
		})
	}
}

func (c *campaign) powerCut(t *testing.T) {
	t.Helper()
	c.n++
	now := c.image + ".now"
	rig.Check(t, "copy", testimg.Copy(c.image, now))
	defer os.Remove(now)
	dev := &volatile{now: rig.Open(t, now, os.O_RDWR), stable: rig.Open(t, c.image, os.O_RDWR)}
	defer dev.now.Close()
	defer dev.stable.Close()
	k := rig.Boot(t, nil)
	disk, err := k.AttachDisk(lkl.Disk{Device: dev})
	rig.Check(t, "attach", err)
	dir, err := rig.Mount(k, disk, rig.Driver(c.fstype), 0, c.data)
	rig.Check(t, "mount", err)
	root := dir + "/power"
	removeAll(&k.View, root)
	err = k.Mkdirat(unix.AT_FDCWD, root, 0o755)
	if c.isFull(t, k, err) {
		return
	}
	rig.Check(t, "mkdir", err)
	rig.Check(t, "sync", k.Sync())

	after := time.Duration(2+c.rng.IntN(60)) * time.Millisecond
	var kept, lost int
	timer := time.AfterFunc(after, func() {
		kept, lost, err = dev.powerOff(c.rng)
		k.Kill()
	})
	defer timer.Stop()
	// Between the cut and the kill the kernel sees errors, and so do the
	// writers; what was synced before counts.
	writers, _ := load(&k.View, root, 4, math.MaxInt, c.rng.Uint64())
	k.Kill()
	rig.Check(t, "power off", err)
	c.kills++
	for _, w := range writers {
		c.ops += w.ops
		w.dir = w.dir[len(dir):]
	}
	if testing.Verbose() && c.n == 1 {
		t.Logf("%d blocks lost, %d kept", lost, kept)
	}
	if c.n%3 == 0 {
		c.replay(t, writers)
	}
	c.recover(t, writers)
}
