// Package pages keeps parts of the tables of an image in memory, those that were used last
// and those that were changed and are not in the image yet.
package pages

import (
	"container/list"
	"errors"
	"io"
	"maps"
	"slices"
	"sync"
)

// Table is a view of the tables of an image, in pages of one size.
//
// Several goroutines may call Get at a time. What changes pages excludes every other call,
// for which the caller has a lock of its own.
type Table struct {
	r     io.ReaderAt
	size  int64
	limit int // pages

	mu    sync.Mutex // guards what follows
	pages map[int64]*page
	lru   list.List // of *page, the last used one first
	dirty map[int64][]byte
}

type page struct {
	off  int64
	at   *list.Element
	done chan struct{} // closed when the rest is there
	data []byte
	err  error
}

// New returns a view of what r has, in pages of size bytes, a power of two. It keeps as many
// pages that were not changed as limit bytes have room for.
func New(r io.ReaderAt, size, limit int) *Table {
	return &Table{r: r, size: int64(size), limit: max(limit/size, 1), pages: map[int64]*page{}, dirty: map[int64][]byte{}}
}

// Bytes returns n bytes at off, which must lie in one page, and must not be changed. That
// they lie past the end of the file is io.ErrUnexpectedEOF.
func (t *Table) Bytes(off int64, n int) ([]byte, error) {
	b, err := t.Get(off &^ (t.size - 1))
	if err != nil {
		return nil, err
	}
	at := int(off & (t.size - 1))
	if at+n > len(b) {
		return nil, io.ErrUnexpectedEOF
	}
	return b[at : at+n], nil
}

// Get returns the page at off, which is a multiple of the size of one. It must not be
// changed. Of a file that ends in it, it has what there is.
func (t *Table) Get(off int64) ([]byte, error) {
	t.mu.Lock()
	if b, ok := t.dirty[off]; ok {
		t.mu.Unlock()
		return b, nil
	}
	if p := t.pages[off]; p != nil {
		t.lru.MoveToFront(p.at)
		t.mu.Unlock()
		<-p.done
		return p.data, p.err
	}
	p := &page{off: off, done: make(chan struct{})}
	t.add(p)
	t.mu.Unlock()

	p.data, p.err = t.read(off)
	close(p.done)
	if p.err != nil {
		t.mu.Lock()
		if t.pages[off] == p {
			t.remove(p)
		}
		t.mu.Unlock()
	}
	return p.data, p.err
}

func (t *Table) read(off int64) ([]byte, error) {
	b := make([]byte, t.size)
	n, err := t.r.ReadAt(b, off)
	if n < len(b) && err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:n], nil
}

// add puts a page in front of all others. The caller holds mu.
func (t *Table) add(p *page) {
	p.at = t.lru.PushFront(p)
	t.pages[p.off] = p
	for t.lru.Len() > t.limit {
		t.remove(t.lru.Back().Value.(*page))
	}
}

// remove forgets a page. Who waits for it still gets it. The caller holds mu.
func (t *Table) remove(p *page) {
	t.lru.Remove(p.at)
	delete(t.pages, p.off)
}

// Edit returns the page at off for changing it. It is whole: what the file does not have is
// zeros. It is dirty until Clean is called.
func (t *Table) Edit(off int64) ([]byte, error) {
	if b, ok := t.dirty[off]; ok {
		return b, nil
	}
	old, err := t.Get(off)
	if err != nil {
		return nil, err
	}
	b := make([]byte, t.size)
	copy(b, old)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dirty[off] = b
	if p := t.pages[off]; p != nil {
		t.remove(p)
	}
	return b, nil
}

// EditBytes returns n bytes at off, in one page, for changing them.
func (t *Table) EditBytes(off int64, n int) ([]byte, error) {
	b, err := t.Edit(off &^ (t.size - 1))
	if err != nil {
		return nil, err
	}
	at := off & (t.size - 1)
	return b[at : at+int64(n)], nil
}

// Set notes that a page, or what there is of several, was written to the file by others.
func (t *Table) Set(off int64, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for at := off &^ (t.size - 1); at < off+n && len(t.pages) > 0; at += t.size {
		if p := t.pages[at]; p != nil {
			t.remove(p)
		}
	}
}

// Dirty returns the pages that were changed, in the order of their offsets.
func (t *Table) Dirty() []int64 { return slices.Sorted(maps.Keys(t.dirty)) }

// Changed returns how many pages were changed.
func (t *Table) Changed() int { return len(t.dirty) }

// Clean notes that all pages that were changed are in the file.
func (t *Table) Clean() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for off, b := range t.dirty {
		p := &page{off: off, done: make(chan struct{}), data: b}
		close(p.done)
		t.add(p)
	}
	clear(t.dirty)
}
