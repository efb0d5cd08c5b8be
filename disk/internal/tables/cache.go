package tables

import (
	"cmp"
	"container/list"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/unboot/unboot/disk"
)

const (
	sliceSize  = 4096
	sectorSize = 512
)

// A Cache has parts of tables, of up to a number of bytes, and those that were changed.
type Cache struct {
	limit int

	mu     sync.Mutex // guards what follows, and the slices
	slices map[place]*slice
	lru    list.List // of *slice that are not dirty, the last used one first
	used   int       // bytes of these
	dirty  int       // bytes of those that are
}

type place struct {
	file *File
	off  int64
}

// A slice is a part of a file. Once it is loaded, data is guarded by the cache's mu.
type slice struct {
	place
	at   *list.Element // nil if it is dirty
	done chan struct{} // closed when data, n and err are there
	data []byte
	n    int // how many bytes the file has of it
	err  error

	dirty [sliceSize / sectorSize]bool // the sectors that were changed
}

// NewCache returns a cache that keeps up to limit bytes of what was not changed.
func NewCache(limit int) *Cache {
	return &Cache{limit: limit, slices: map[place]*slice{}}
}

// Dirty returns how many bytes of memory hold changes. Whoever makes changes has them
// written back before this is too much.
func (c *Cache) Dirty() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dirty
}

// A File is the tables of one file.
type File struct {
	c     *Cache
	d     disk.Device
	dirty []*slice // in no order; guarded by the cache's mu
}

// File returns the tables of a file.
func (c *Cache) File(d disk.Device) *File { return &File{c: c, d: d} }

// Read reads an entry, of a length that divides 512, at a multiple of that length. The
// error is io.ErrUnexpectedEOF if the file ends before.
func (f *File) Read(p []byte, off int64) error {
	s, err := f.get(off)
	if err != nil {
		return err
	}
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	at := int(off - s.off)
	if at+len(p) > s.n {
		return io.ErrUnexpectedEOF
	}
	copy(p, s.data[at:])
	return nil
}

// ReadSome reads entries from off on, and returns how many bytes these have: as many as it
// has at hand, and at least one entry of 8 bytes or less, or less if the file ends.
func (f *File) ReadSome(p []byte, off int64) (int, error) {
	s, err := f.get(off)
	if err != nil {
		return 0, err
	}
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return copy(p, s.data[min(int(off-s.off), s.n):s.n]), nil
}

// Write changes an entry, as Read has them. The file may end before it, and then grows
// when the change is written back.
func (f *File) Write(p []byte, off int64) error {
	for {
		s, err := f.get(off)
		if err != nil {
			return err
		}
		if f.change(s, p, int(off-s.off)) {
			return nil
		}
	}
}

// change changes a slice, unless the cache has forgotten it meanwhile.
func (f *File) change(s *slice, p []byte, at int) bool {
	c := f.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.slices[s.place] != s {
		return false
	}
	copy(s.data[at:], p)
	s.n = max(s.n, at+len(p))
	if s.at != nil {
		c.lru.Remove(s.at)
		s.at = nil
		c.used -= sliceSize
		c.dirty += sliceSize
		f.dirty = append(f.dirty, s)
	}
	s.dirty[at/sectorSize] = true
	return true
}

// get returns the slice that has a byte. Goroutines that want the same one at a time wait
// for the first. Errors are not kept.
func (f *File) get(off int64) (*slice, error) {
	c := f.c
	at := place{f, off &^ (sliceSize - 1)}
	c.mu.Lock()
	if s := c.slices[at]; s != nil {
		if s.at != nil {
			c.lru.MoveToFront(s.at)
		}
		c.mu.Unlock()
		<-s.done
		return s, s.err
	}
	s := &slice{place: at, done: make(chan struct{})}
	s.at = c.lru.PushFront(s)
	c.slices[at] = s
	c.used += sliceSize
	for c.used > c.limit && c.lru.Len() > 1 {
		c.remove(c.lru.Back().Value.(*slice))
	}
	c.mu.Unlock()

	s.data = make([]byte, sliceSize)
	s.n, s.err = f.d.ReadAt(s.data, s.off)
	if s.n == sliceSize || errors.Is(s.err, io.EOF) {
		s.err = nil
	} else if s.err == nil {
		s.err = io.ErrUnexpectedEOF
	}
	close(s.done)
	if s.err != nil {
		c.mu.Lock()
		if c.slices[at] == s {
			c.remove(s)
		}
		c.mu.Unlock()
	}
	return s, s.err
}

// remove forgets a slice that is not dirty. Who waits for it still gets it. The caller
// holds mu.
func (c *Cache) remove(s *slice) {
	c.lru.Remove(s.at)
	delete(c.slices, s.place)
	c.used -= sliceSize
}

// Dirty returns how many bytes of memory hold changes to the file.
func (f *File) Dirty() int {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	return len(f.dirty) * sliceSize
}

// Changed returns the slices that were changed, of 4096 bytes each, by their offsets, for
// a log of them. What the file does not have of one is zeros. Nothing must be changed
// meanwhile.
func (f *File) Changed() map[int64][]byte {
	f.c.mu.Lock()
	defer f.c.mu.Unlock()
	changed := map[int64][]byte{}
	for _, s := range f.dirty {
		changed[s.off] = s.data
	}
	return changed
}

// WriteBack writes what was changed, in the order of the offsets. What could not be
// written remains changed. Nothing must be changed meanwhile.
func (f *File) WriteBack() error {
	c := f.c
	c.mu.Lock()
	dirty := f.dirty
	f.dirty = nil
	c.mu.Unlock()
	slices.SortFunc(dirty, func(a, b *slice) int { return cmp.Compare(a.off, b.off) })
	for i, s := range dirty {
		if err := f.writeSlice(s); err != nil {
			c.mu.Lock()
			f.dirty = dirty[i:]
			c.mu.Unlock()
			return err
		}
	}
	return nil
}

func (f *File) writeSlice(s *slice) error {
	for i := 0; i < len(s.dirty); {
		j := i
		for j < len(s.dirty) && s.dirty[j] {
			j++
		}
		if i == j {
			i++
			continue
		}
		if _, err := f.d.WriteAt(s.data[i*sectorSize:j*sectorSize], s.off+int64(i)*sectorSize); err != nil {
			return err
		}
		for ; i < j; i++ {
			s.dirty[i] = false
		}
	}
	c := f.c
	c.mu.Lock()
	s.at = c.lru.PushFront(s)
	c.dirty -= sliceSize
	c.used += sliceSize
	for c.used > c.limit && c.lru.Len() > 1 {
		c.remove(c.lru.Back().Value.(*slice))
	}
	c.mu.Unlock()
	return nil
}

// Drop forgets all that is of the file, changes as well.
func (f *File) Drop() {
	c := f.c
	c.mu.Lock()
	defer c.mu.Unlock()
	f.dirty = nil
	for at, s := range c.slices {
		switch {
		case at.file != f:
		case s.at != nil:
			c.remove(s)
		default:
			delete(c.slices, at)
			c.dirty -= sliceSize
		}
	}
}
