package fusefs

import (
	"slices"
	"sync"
	"testing"
)

// TestListThrownOut: a directory that is thrown out while somebody reads it is closed when that has
// ended, once, and what is kept is counted right.
func TestListThrownOut(t *testing.T) {
	f := &FS{}
	l := &f.lists
	l.byKey, l.flight = map[nodeKey]*listing{}, map[nodeKey]chan struct{}{}
	var all []*listing
	var want []int
	for i := range 1000 {
		d := &listing{dirPlace: dirPlace{key: nodeKey{ino: uint64(i)}}, fd: i, data: make([]byte, 100), starts: []int64{0}}
		d.ahead, d.aheadChunk = make([]byte, 50+i), 1
		all = append(all, l.add(d))
		want = append(want, i)
	}
	var wg sync.WaitGroup
	for reader := range 3 {
		wg.Go(func() {
			for _, d := range all {
				d.mu.Lock()
				if d.fd >= 0 {
					if data, err := f.chunkAt(0, d, 1); err != nil || len(data) != 50+int(d.key.ino) {
						t.Errorf("reader %d: %d bytes, %v", reader, len(data), err)
					}
				}
				l.leave(d)
			}
		})
	}
	wg.Go(func() {
		for i, d := range all {
			if i%4 != 0 {
				l.drop(d.key)
			}
		}
	})
	wg.Wait()
	size := 0
	for _, d := range l.byKey {
		size += len(d.data)
	}
	if size != l.size {
		t.Errorf("%d bytes are kept, and %d counted", size, l.size)
	}
	if len(l.byKey) != len(all)/4 {
		t.Errorf("%d directories are kept, want %d", len(l.byKey), len(all)/4)
	}
	for _, d := range all {
		l.drop(d.key)
	}
	if l.size != 0 {
		t.Errorf("nothing is kept, and %d bytes are counted", l.size)
	}
	// One that is opened again by somebody who has found it before it was thrown out.
	d := all[0]
	d.mu.Lock()
	d.fd = len(all)
	want = append(want, d.fd)
	l.leave(d)
	idle := l.takeIdle()
	slices.Sort(idle)
	if !slices.Equal(idle, want) {
		t.Errorf("%d descriptors are to be closed, want %d", len(idle), len(want))
	}
	// Thrown out while it is read, for certain.
	d = l.add(&listing{fd: 1, data: make([]byte, 10)})
	d.mu.Lock()
	l.drop(d.key)
	if idle := l.takeIdle(); len(idle) != 0 {
		t.Errorf("%v are to be closed while they are read", idle)
	}
	l.leave(d)
	if idle := l.takeIdle(); !slices.Equal(idle, []int{1}) {
		t.Errorf("%v are to be closed, want 1", idle)
	}
}
