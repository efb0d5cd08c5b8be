package qcow2

import (
	"container/list"
	"sync"
)

// Sizes of the caches that the images of a chain share, in bytes.
const (
	// With clusters of 64 KiB, this is the metadata of 32 GiB.
	tableCache = 4 << 20
	// This is 8 of the largest clusters.
	clusterCache = 16 << 20
)

// caches are shared by the images of a chain.
type caches struct {
	tables   *cache // parts of L1 and L2 tables, by offset in the file
	clusters *cache // decompressed clusters, by L2 entry
}

func newCaches() *caches {
	return &caches{newCache(tableCache), newCache(clusterCache)}
}

// cache keeps what was used last, up to a number of bytes. What it returns is shared,
// and must not be changed.
type cache struct {
	limit int

	mu      sync.Mutex // guards what follows
	used    int
	entries map[cacheKey]*cacheEntry
	lru     *list.List // of *cacheEntry, the last used one first
}

type cacheKey struct {
	image *Image
	id    uint64
}

type cacheEntry struct {
	key  cacheKey
	size int
	at   *list.Element // nil if it must not be forgotten
	done chan struct{} // closed when the rest is there
	data []byte
	err  error
}

func newCache(limit int) *cache {
	return &cache{limit: limit, entries: map[cacheKey]*cacheEntry{}, lru: list.New()}
}

// get returns what load returns, or has returned. It has size bytes at most.
// Goroutines that want the same at a time wait for the first. Errors are not kept.
func (c *cache) get(key cacheKey, size int, load func() ([]byte, error)) ([]byte, error) {
	c.mu.Lock()
	if e := c.entries[key]; e != nil {
		c.touch(e)
		c.mu.Unlock()
		<-e.done
		return e.data, e.err
	}
	e := &cacheEntry{key: key, size: size, done: make(chan struct{})}
	e.at = c.lru.PushFront(e)
	c.entries[key] = e
	c.used += size
	for c.used > c.limit && c.lru.Len() > 1 {
		c.remove(c.lru.Back().Value.(*cacheEntry))
	}
	c.mu.Unlock()

	e.data, e.err = load()
	close(e.done)
	if e.err != nil {
		c.mu.Lock()
		if c.entries[key] == e {
			c.remove(e)
		}
		c.mu.Unlock()
	}
	return e.data, e.err
}

// peek returns what is there, or nil.
func (c *cache) peek(key cacheKey) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[key]
	if e == nil {
		return nil
	}
	select {
	case <-e.done:
		c.touch(e)
		return e.data
	default:
		return nil
	}
}

// touch notes that an entry was used. The caller holds mu.
func (c *cache) touch(e *cacheEntry) {
	if e.at != nil {
		c.lru.MoveToFront(e.at)
	}
}

// pin has the cache return data from now on, and keep it until unpin. What get has
// returned before stays as it was.
func (c *cache) pin(key cacheKey, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		c.remove(e)
	}
	e := &cacheEntry{key: key, size: len(data), data: data, done: make(chan struct{})}
	close(e.done)
	c.entries[key] = e
}

// unpin lets the cache forget what was pinned.
func (c *cache) unpin(key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil && e.at == nil {
		e.at = c.lru.PushFront(e)
		c.used += e.size
	}
}

// forget forgets what was loaded or pinned.
func (c *cache) forget(key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		c.remove(e)
	}
}

// remove forgets an entry. Who waits for it still gets it. The caller holds mu.
func (c *cache) remove(e *cacheEntry) {
	delete(c.entries, e.key)
	if e.at != nil {
		c.lru.Remove(e.at)
		c.used -= e.size
	}
}

// drop forgets all that is an image's.
func (c *cache) drop(image *Image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if key.image == image {
			c.remove(e)
		}
	}
}
