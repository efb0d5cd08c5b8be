package nbd

import (
	"errors"
	"slices"
	"sync"
)

// maxUnflushed is how many bytes are kept that were written and not flushed. With more, the
// device is flushed.
const maxUnflushed = 32 << 20

// A change is a request to change the export, which is kept until it is flushed.
type change struct {
	request
	answered bool
	epoch    int // in which it was answered
}

// size is about how much memory a change takes.
func (c *change) size() int { return len(c.data) + 256 }

// unflushed is what was written since the last flush, in the order in which it was sent. A
// server that is not the same one any more may have lost it.
type unflushed struct {
	mu    sync.Mutex
	list  []*change // guarded by mu
	bytes int       // guarded by mu: of the list
	epoch int       // guarded by mu: flushes that were begun
}

// add keeps a change that is about to be sent, and reports whether so many are kept now that
// they should be flushed.
func (u *unflushed) add(q *request) (c *change, full bool) {
	c = &change{request: request{typ: q.typ, flags: q.flags, off: q.off, length: q.length}}
	c.data = append(c.data, q.data...)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, c)
	u.bytes += c.size()
	return c, u.bytes > maxUnflushed
}

// settle notes that a change was answered.
func (u *unflushed) settle(c *change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c.answered, c.epoch = true, u.epoch
}

// remove forgets those that gone is true for.
func (u *unflushed) remove(gone func(*change) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = slices.DeleteFunc(u.list, func(c *change) bool {
		if gone(c) {
			u.bytes -= c.size()
			return true
		}
		return false
	})
}

// begin is called before a flush is sent, and returns which changes it covers.
func (u *unflushed) begin() (epoch int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.epoch++
	return u.epoch - 1
}

// drop forgets what a flush has covered.
func (u *unflushed) drop(epoch int) {
	u.remove(func(c *change) bool { return c.answered && c.epoch <= epoch })
}

// any reports whether there is something.
func (u *unflushed) any() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.list) > 0
}

// each calls do for what was sent, from the first to the last. Those that were not answered
// are sent once more by those who wait for them, who get their errors, too.
func (u *unflushed) each(do func(*request) error) error {
	u.mu.Lock()
	var list []*request
	answered := map[*request]bool{}
	for _, c := range u.list {
		again := &request{typ: c.typ, flags: c.flags, off: c.off, length: c.length, data: c.data}
		list = append(list, again)
		answered[again] = c.answered
	}
	u.mu.Unlock()
	for _, q := range list {
		if err := do(q); err != nil && (answered[q] || errors.Is(err, ErrLost)) {
			return err
		}
	}
	return nil
}

// change sends a request that changes the export, and remembers it until it is flushed.
func (d *Device) change(q *request) error {
	if q.flags&cmdFlagFUA != 0 || !d.export.can(exportFlush) {
		return d.do(q)
	}
	c, full := d.unflushed.add(q)
	if err := d.do(q); err != nil {
		d.unflushed.remove(func(other *change) bool { return other == c })
		return err
	}
	d.unflushed.settle(c)
	if full {
		return d.flush()
	}
	return nil
}
