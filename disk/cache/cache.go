package cache

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// The defaults of [Options].
const (
	DefaultBlock  = 64 << 10
	DefaultMemory = 64 << 20
	DefaultAhead  = 4 << 20
)

// Options say how a cache works. The zero value has the defaults.
type Options struct {
	// Block is the size of a block in bytes, a power of 2.
	Block int
	// Memory is how many bytes of blocks are kept in memory, if it is there that they are.
	Memory int64
	// Ahead is how many bytes are fetched ahead at most.
	Ahead int64
	// Dir is a folder of the host in which blocks are kept, or "". It is made if it is not
	// there.
	Dir string
	// DirSize is how many bytes the files in Dir may take of the host's disk, all together.
	// What was not used for the longest time is removed for it. 0 is no bound.
	DirSize int64
	// Address is what the device is found by again in Dir, and Identity which version of it
	// that is. Without an identity, Dir is not used.
	Address, Identity string
}

// A Device is a cache in front of another device, which it owns.
type Device struct {
	inner disk.Device
	block int64
	ahead int64

	mu     sync.Mutex
	size   int64            // guarded by mu: as far as is known here
	store  store            // guarded by mu, but for what it does by itself
	flight map[int64]*fetch // guarded by mu: by their blocks
	reader reader           // guarded by mu
	wait   sync.WaitGroup   // fetches under way
	closed bool             // guarded by mu
}

// A store keeps blocks. It is called by one goroutine at a time.
type store interface {
	has(i int64) bool
	// get reads a part of a block. It is false if the block is not there.
	get(i int64, p []byte, off int) bool
	put(i int64, b []byte)
	drop(i int64)
	close() error
}

// A fetch is a request for blocks side by side.
type fetch struct {
	first int64 // block
	b     []byte
	err   error
	stale bool // guarded by the device's mu: written to meanwhile
	done  chan struct{}
}

// New returns a cache of a device. The device is closed with it, and not if New fails.
func New(d disk.Device, o Options) (*Device, error) {
	c := &Device{inner: d, size: d.Size(), block: int64(cmp.Or(o.Block, DefaultBlock)),
		ahead: cmp.Or(o.Ahead, DefaultAhead), flight: map[int64]*fetch{}}
	if o.Dir == "" || o.Identity == "" {
		c.store = newMemory(cmp.Or(o.Memory, DefaultMemory), c.block)
		return c, nil
	}
	s, err := openFiles(o.Dir, o.Address, o.Identity, c.size, c.block, o.DirSize)
	if err != nil {
		return nil, err
	}
	c.store = s
	return c, nil
}

// Unwrap makes it a [disk.Wrapper].
func (c *Device) Unwrap() disk.Device { return c.inner }

// Size returns the size in bytes.
func (c *Device) Size() int64 { return c.inner.Size() }

// Flush makes stable what has been written.
func (c *Device) Flush() error { return c.inner.Flush() }

// Close closes the device, and the files of the cache.
func (c *Device) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	// Fetches ahead end by the device's end.
	err := c.inner.Close()
	c.wait.Wait()
	return errors.Join(err, c.store.close())
}

// A part is one of a read that waits for a fetch.
type part struct {
	p   []byte
	off int64
	f   *fetch
}

// ReadAt implements [io.ReaderAt].
func (c *Device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, syscall.EINVAL
	}
	var eof error
	if left := c.follow() - off; int64(len(p)) > left {
		p, eof = p[:max(left, 0)], io.EOF
	}
	done := 0
	for _, w := range c.begin(p, off) {
		<-w.f.done
		if w.f.err == nil {
			copy(w.p, w.f.b[w.off-w.f.first*c.block:])
			continue
		}
		// It was for more than this, and what failed may be the rest.
		n, err := c.inner.ReadAt(w.p, w.off)
		if n < len(w.p) && err != nil {
			return int(w.off-off) + n, err
		}
	}
	done = len(p)
	return done, eof
}

// begin reads what is there, and has the rest fetched.
func (c *Device) begin(p []byte, off int64) (wait []part) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(p) == 0 {
		return nil
	}
	last := (off + int64(len(p)) - 1) / c.block
	ahead := c.reader.note(off/c.block, last, c.ahead/c.block)
	missed := false
	for i := off / c.block; len(p) > 0; i++ {
		at := off - i*c.block
		n := min(c.block-at, int64(len(p)))
		piece := p[:n]
		f := c.flight[i]
		if f == nil && !c.store.get(i, piece, int(at)) {
			f, missed = c.fetch(i, last, ahead), true
		}
		if f != nil {
			wait = append(wait, part{piece, off, f})
		}
		p, off = p[n:], off+n
	}
	if !missed {
		c.further(last, ahead)
	}
	return wait
}

// fetch has a block fetched that is missing, with those that follow it: up to last, and
// beyond that so many blocks ahead.
func (c *Device) fetch(i, last, ahead int64) *fetch {
	end := i + 1
	for most := min(last+ahead+1, (c.size+c.block-1)/c.block, i+maxRequest/c.block); end < most && c.missing(end); {
		end++
	}
	f := &fetch{first: i, b: make([]byte, min(end*c.block, c.size)-i*c.block), done: make(chan struct{})}
	for ; i < end; i++ {
		c.flight[i] = f
	}
	c.wait.Go(func() {
		n, err := c.inner.ReadAt(f.b, f.first*c.block)
		if n < len(f.b) {
			f.err = cmp.Or(err, io.ErrUnexpectedEOF)
		}
		c.finish(f)
	})
	return f
}

// maxRequest is how many bytes are fetched at once.
const maxRequest = 8 << 20

// missing reports whether a block would have to be fetched.
func (c *Device) missing(i int64) bool { return c.flight[i] == nil && !c.store.has(i) }

// finish keeps what was fetched.
func (c *Device) finish(f *fetch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at := int64(0); at < int64(len(f.b)); at += c.block {
		i := f.first + at/c.block
		if c.flight[i] == f {
			delete(c.flight, i)
		}
		if f.err == nil && !f.stale {
			c.store.put(i, f.b[at:min(at+c.block, int64(len(f.b)))])
		}
	}
	close(f.done)
}

// further fetches ahead of a reader who has all that he asked for, when half of what was
// fetched ahead before is used up.
func (c *Device) further(last, ahead int64) {
	if ahead < minFurther || c.closed {
		return
	}
	blocks := (c.size + c.block - 1) / c.block
	for i := last + 1; i <= last+ahead/2 && i < blocks; i++ {
		if c.missing(i) {
			c.fetch(i, last, ahead)
			return
		}
	}
}

// Prefetch implements [disk.Prefetcher]. What follows the range is not taken for worth fetching.
func (c *Device) Prefetch(off, n int64) {
	size := c.follow()
	c.mu.Lock()
	defer c.mu.Unlock()
	if off < 0 || n <= 0 || off >= size || c.closed {
		return
	}
	last := (off + min(n, size-off) - 1) / c.block
	for i := off / c.block; i <= last; i++ {
		if c.missing(i) {
			c.fetch(i, last, 0) // up to the next that is there
		}
	}
}

// minFurther is from how many blocks on it pays to fetch before somebody waits for it.
const minFurther = 8
