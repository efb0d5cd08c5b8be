package link

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// MaxUnflushed is how many bytes are kept that were written and not flushed. With more, the
// device should be flushed.
const MaxUnflushed = 32 << 20

// A Change is a request of the type Q that changes what a server has, which is kept until it is
// flushed.
type Change[Q any] struct {
	request  Q
	start, n int64 // what it changes
	size     int   // about how much memory it takes
	answered bool
	epoch    int // in which it was answered
}

// Unflushed is what was written since the last flush, in the order in which it was sent. A
// server that is not the same one any more may have lost it.
type Unflushed[Q any] struct {
	mu    sync.Mutex
	list  []*Change[Q] // guarded by mu
	bytes int          // guarded by mu: of the list
	epoch int          // guarded by mu: flushes that were begun
}

// Add keeps a change of n bytes at start that is about to be sent, with so many bytes of data,
// and reports whether so many are kept now that they should be flushed.
func (u *Unflushed[Q]) Add(q Q, start, n int64, data int) (c *Change[Q], full bool) {
	c = &Change[Q]{request: q, start: start, n: n, size: data + 256}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, c)
	u.bytes += c.size
	return c, u.bytes > MaxUnflushed
}

// Settle notes that a change was answered.
func (u *Unflushed[Q]) Settle(c *Change[Q]) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c.answered, c.epoch = true, u.epoch
}

// Remove forgets a change that has failed.
func (u *Unflushed[Q]) Remove(c *Change[Q]) {
	u.remove(func(other *Change[Q]) bool { return other == c })
}

// remove forgets those that gone is true for.
func (u *Unflushed[Q]) remove(gone func(*Change[Q]) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = slices.DeleteFunc(u.list, func(c *Change[Q]) bool {
		if gone(c) {
			u.bytes -= c.size
			return true
		}
		return false
	})
}

// Begin is called before a flush is sent, and returns which changes it covers.
func (u *Unflushed[Q]) Begin() (epoch int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.epoch++
	return u.epoch - 1
}

// Drop forgets what a flush has covered.
func (u *Unflushed[Q]) Drop(epoch int) {
	u.remove(func(c *Change[Q]) bool { return c.answered && c.epoch <= epoch })
}

// Any reports whether there is something.
func (u *Unflushed[Q]) Any() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.list) > 0
}

// Explain adds to the error of a flush what that was for.
func (u *Unflushed[Q]) Explain(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil || len(u.list) == 0 {
		return err
	}
	start, end, sum := u.list[0].start, int64(0), int64(0)
	for _, c := range u.list {
		start, end, sum = min(start, c.start), max(end, c.start+c.n), sum+c.n
	}
	return fmt.Errorf("%w; what was written last may not be there: %d bytes between %d and %d", err, sum, start, end)
}

// Each calls do for what was sent, from the first to the last. Those that were not answered
// are sent once more by those who wait for them, who get their errors, too.
func (u *Unflushed[Q]) Each(do func(Q) error) error {
	u.mu.Lock()
	list := slices.Clone(u.list)
	answered := make([]bool, len(list))
	for i, c := range list {
		answered[i] = c.answered
	}
	u.mu.Unlock()
	for i, c := range list {
		if err := do(c.request); err != nil && (answered[i] || errors.Is(err, ErrLost)) {
			return err
		}
	}
	return nil
}
