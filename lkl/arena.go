package lkl

import "sync"

// Zones of the part of the window that is this side's. Scratch memory of
// calls and Buffers of the caller are kept apart, so that a caller who holds
// all Buffers can still make calls.
const (
	offScratch = offArena + maxCalls*slotScratch
	offBuffers = 0x00800000
)

const (
	pageShift = 12
	maxOrder  = 11 // 8 MiB
)

// An arena hands out a zone of the window in blocks of 4 KiB to 8 MiB: a buddy
// system, whose free lists are stacks, so that what was touched last is used
// first. Who finds it empty waits in a queue.
type arena struct {
	base  uint32 // of the zone, in pages
	count uint32

	mu      sync.Mutex
	page    []arenaPage // guarded by mu
	head    [maxOrder + 1]uint32
	waiters []arenaWaiter
	err     error // the kernel has ended
}

// An arenaPage describes the block that begins with the page.
type arenaPage struct {
	next, prev uint32 // in the free list, by index + 1; 0 is none
	order      uint8
	free       bool // begins a free block
}

type arenaWaiter struct {
	order int
	ch    chan uint32
}

// init takes the zone from start to end, multiples of the page size.
func (a *arena) init(start, end uint32) {
	a.base = start >> pageShift
	a.count = (end - start) >> pageShift
	a.page = make([]arenaPage, a.count)
	// From the end, so that the lists begin with the lowest.
	for i := a.count; i > 0; {
		order := 0
		for order < maxOrder {
			size := uint32(2) << order
			if i < size || (a.base+i)&(size-1) != 0 {
				break
			}
			order++
		}
		i -= 1 << order
		a.push(i, order)
	}
}

func orderOf(n int) int {
	order := 0
	for n > 1<<(pageShift+order) {
		order++
	}
	return order
}

// alloc returns the offset in the window of n bytes, aligned to n rounded up
// to a power of two. It waits if there are none.
func (a *arena) alloc(n int) (uint32, error) {
	order := orderOf(n)
	a.mu.Lock()
	if a.err != nil {
		a.mu.Unlock()
		return 0, a.err
	}
	if len(a.waiters) == 0 {
		if i, ok := a.take(order); ok {
			a.mu.Unlock()
			return (a.base + i) << pageShift, nil
		}
	}
	w := arenaWaiter{order, make(chan uint32, 1)}
	a.waiters = append(a.waiters, w)
	a.mu.Unlock()
	i, ok := <-w.ch
	if !ok {
		return 0, a.err // set before the channel was closed
	}
	return (a.base + i) << pageShift, nil
}

// tryAlloc is alloc that does not wait.
func (a *arena) tryAlloc(n int) (uint32, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil || len(a.waiters) > 0 {
		return 0, false
	}
	i, ok := a.take(orderOf(n))
	return (a.base + i) << pageShift, ok
}

// free gives back what alloc returned.
func (a *arena) free(off uint32) {
	a.mu.Lock()
	a.put(off>>pageShift - a.base)
	for len(a.waiters) > 0 {
		w := a.waiters[0]
		i, ok := a.take(w.order)
		if !ok {
			break
		}
		a.waiters = a.waiters[1:]
		w.ch <- i
	}
	a.mu.Unlock()
}

// close makes all allocations fail with err, those that wait too. Freeing
// goes on.
func (a *arena) close(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
	for _, w := range a.waiters {
		close(w.ch)
	}
	a.waiters = nil
}

// take takes a block of the order. Preconditions: mu is held, as for all below.
func (a *arena) take(order int) (uint32, bool) {
	o := order
	for ; a.head[o] == 0; o++ {
		if o == maxOrder {
			return 0, false
		}
	}
	i := a.head[o] - 1
	a.remove(i)
	for ; o > order; o-- { // the upper half goes back
		a.push(i+1<<(o-1), o-1)
	}
	a.page[i].order = uint8(order)
	return i, true
}

// put frees a block and joins it with its free neighbours.
func (a *arena) put(i uint32) {
	order := int(a.page[i].order)
	for ; order < maxOrder; order++ {
		buddy := (a.base + i) ^ 1<<order - a.base // wraps if before the zone
		if buddy >= a.count || !a.page[buddy].free || int(a.page[buddy].order) != order {
			break
		}
		a.remove(buddy)
		i = min(i, buddy)
	}
	a.push(i, order)
}

func (a *arena) push(i uint32, order int) {
	next := a.head[order]
	a.page[i] = arenaPage{next: next, order: uint8(order), free: true}
	if next != 0 {
		a.page[next-1].prev = i + 1
	}
	a.head[order] = i + 1
}

func (a *arena) remove(i uint32) {
	p := &a.page[i]
	if p.prev != 0 {
		a.page[p.prev-1].next = p.next
	} else {
		a.head[p.order] = p.next
	}
	if p.next != 0 {
		a.page[p.next-1].prev = p.prev
	}
	p.free = false
}
