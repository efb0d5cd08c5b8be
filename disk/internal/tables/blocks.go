package tables

import (
	"container/list"
	"sync"
)

// Blocks keeps what was decompressed last, of up to a number of bytes. What it returns is
// shared, and must not be changed.
type Blocks struct {
	limit int

	mu      sync.Mutex // guards what follows
	used    int
	entries map[any]*block
	lru     list.List // of *block, the last used one first
}

type block struct {
	key  any
	at   *list.Element
	size int
	once sync.Once
	data []byte
	err  error
}

// NewBlocks returns a cache of up to limit bytes.
func NewBlocks(limit int) *Blocks {
	return &Blocks{limit: limit, entries: map[any]*block{}}
}

// Get returns what load returns, or has returned for that key. It has size bytes at most.
// Goroutines that want the same at a time wait for the first. Errors are not kept.
func (c *Blocks) Get(key any, size int, load func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	e := c.entries[key]
	if e == nil {
		e = &block{key: key, size: size}
		e.at = c.lru.PushFront(e)
		c.entries[key] = e
		c.used += size
		for c.used > c.limit && c.lru.Len() > 1 {
			c.remove(c.lru.Back().Value.(*block))
		}
	} else {
		c.lru.MoveToFront(e.at)
	}
	c.mu.Unlock()
	e.once.Do(func() { e.data, e.err = load() })
	if e.err != nil {
		c.mu.Lock()
		if c.entries[key] == e {
			c.remove(e)
		}
		c.mu.Unlock()
	}
	return e.data, e.err
}

// remove forgets an entry. Who waits for it still gets it. The caller holds mu.
func (c *Blocks) remove(e *block) {
	c.lru.Remove(e.at)
	delete(c.entries, e.key)
	c.used -= e.size
}
