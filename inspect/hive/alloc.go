package hive

import "math/bits"

// space knows the free cells, by size: a list for each power of two. A cell that was
// joined with its neighbour or used stays in its list until somebody meets it there.
type space struct {
	size  map[ref]uint32 // of each free cell
	end   map[ref]ref    // a free cell by where it ends
	lists [32][]ref
}

func (s *space) init() {
	s.size = make(map[ref]uint32)
	s.end = make(map[ref]ref)
}

func (s *space) add(at ref, size uint32) {
	s.size[at] = size
	s.end[at+ref(size)] = at
	class := bits.Len32(size) - 1
	s.lists[class] = append(s.lists[class], at)
}

func (s *space) remove(at ref) {
	delete(s.end, at+ref(s.size[at]))
	delete(s.size, at)
}

// tries is how many cells of a list, whose sizes differ, are looked at.
const tries = 32

// take removes a free cell of at least size bytes, and returns it and its size.
func (s *space) take(size uint32) (ref, uint32, bool) {
	for class := bits.Len32(size) - 1; class < len(s.lists); class++ {
		list := s.lists[class]
		for i, seen := len(list)-1, 0; i >= 0 && seen < tries; i-- {
			at := list[i]
			n, ok := s.size[at]
			if !ok || bits.Len32(n)-1 != class {
				list[i] = list[len(list)-1]
				list = list[:len(list)-1]
				continue
			}
			if n >= size {
				list[i] = list[len(list)-1]
				s.lists[class] = list[:len(list)-1]
				s.remove(at)
				return at, n, true
			}
			seen++
		}
		s.lists[class] = list
	}
	return 0, 0, false
}

// alloc returns a new cell for n bytes, whose content is zero, and that something is
// going to refer to. Slices of the hive's memory are stale after it.
func (h *Hive) alloc(n int) (ref, error) {
	if n < 0 || n > MaxSize {
		return 0, ErrTooLarge
	}
	size := uint32((n + 4 + cellAlign - 1) &^ (cellAlign - 1))
	at, have, ok := h.edit.space.take(size)
	if !ok {
		var err error
		if at, have, err = h.grow(size); err != nil {
			return 0, err
		}
	}
	if have > size {
		h.setFree(at+ref(size), have-size)
	}
	b := h.data[at.offset():][:size]
	clear(b)
	le.PutUint32(b, -size)
	h.edit.set(at, cellStart|cellOwned)
	h.edit.changed = true
	return at, nil
}

// grow adds a bin with room for a cell, and returns where that is and its size.
func (h *Hive) grow(size uint32) (ref, uint32, error) {
	n := int(size+binHeader+binAlign-1) &^ (binAlign - 1)
	if len(h.data)+n > MaxSize {
		return 0, 0, ErrTooLarge
	}
	off := len(h.data) - headerSize
	h.data = append(h.data, make([]byte, n)...)
	h.edit.state = append(h.edit.state, make([]uint8, n/cellAlign)...)
	bin := h.data[headerSize+off:]
	copy(bin, "hbin")
	le.PutUint32(bin[4:], uint32(off))
	le.PutUint32(bin[8:], uint32(n))
	return ref(off + binHeader), uint32(n - binHeader), nil
}

// setFree makes a free cell.
func (h *Hive) setFree(at ref, size uint32) {
	le.PutUint32(h.data[at.offset():], size)
	h.edit.state[at/cellAlign] = cellStart
	h.edit.space.add(at, size)
}

// free gives a cell back, if the hive is sound. It and the free cells around it
// become one.
func (h *Hive) free(at ref) {
	e := h.edit
	if !e.sound {
		return
	}
	e.clear(at, cellOwned|cellNode|cellValue)
	size := -le.Uint32(h.data[at.offset():])
	if after := at + ref(size); e.space.size[after] != 0 {
		size += e.space.size[after]
		e.space.remove(after)
		e.clear(after, cellStart)
	}
	if before, ok := e.space.end[at]; ok {
		size += e.space.size[before]
		e.space.remove(before)
		e.clear(at, cellStart)
		at = before
	}
	h.setFree(at, size)
}

// An allocation is several cells that are to be there together, or not at all.
type allocation struct {
	h     *Hive
	cells []ref
	err   error
}

// alloc is [Hive.alloc]. After an error it does nothing.
func (a *allocation) alloc(n int) ref {
	if a.err != nil {
		return none
	}
	at, err := a.h.alloc(n)
	if err != nil {
		a.err = err
		return none
	}
	a.cells = append(a.cells, at)
	return at
}

// store puts bytes into a new cell.
func (a *allocation) store(b []byte) ref { return a.storeIn(len(b), b) }

// storeIn puts bytes into a new cell that has room for n.
func (a *allocation) storeIn(n int, b []byte) ref {
	at := a.alloc(n)
	if at != none {
		copy(a.h.data[at.offset()+4:], b)
	}
	return at
}

// failed reports whether something did not work, and gives back all else.
func (a *allocation) failed() bool {
	if a.err == nil {
		return false
	}
	for _, at := range a.cells {
		a.h.free(at)
	}
	return true
}
