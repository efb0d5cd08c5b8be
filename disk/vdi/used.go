package vdi

import "math/bits"

// A bitmap says which places of the file have a block.
type bitmap struct {
	words []uint64
	from  int64 // all places before this one are taken
}

func newBitmap(n int64) bitmap { return bitmap{words: make([]uint64, (n+63)/64)} }

// set takes a place, and reports whether it was free.
func (b *bitmap) set(i int64) bool {
	was := b.words[i/64]
	b.words[i/64] = was | 1<<(i%64)
	return was != b.words[i/64]
}

// firstFree returns the first place that is not taken, which may be past the last one.
func (b *bitmap) firstFree() int64 {
	word := b.from / 64
	for word < int64(len(b.words)) && b.words[word] == ^uint64(0) {
		word++
	}
	b.from = word * 64
	if word < int64(len(b.words)) {
		b.from += int64(bits.TrailingZeros64(^b.words[word]))
	}
	return b.from
}

// findUsed finds the places that are taken. An image that was not closed may say in its
// header that there are more, which is then repaired: QEMU would leave them out.
func (m *Image) findUsed() error {
	m.used = newBitmap(m.h.Blocks)
	for block, e := range m.entries() {
		if e.err != nil {
			return e.err
		}
		if e.value >= entryZero {
			continue
		}
		if int64(e.value) >= m.h.Blocks {
			return damaged("block %d is said to be the one number %d of %d in the file", block, e.value, m.h.Blocks)
		}
		if !m.used.set(int64(e.value)) {
			return damaged("two blocks are said to be the one number %d in the file", e.value)
		}
		m.end = max(m.end, int64(e.value)+1)
	}
	if m.h.Allocated == m.end {
		return nil
	}
	return m.writeEnd()
}

type mapEntry struct {
	value uint32
	err   error
}

// entries returns all entries of the block map that is in the file, up to an error.
func (m *Image) entries() func(yield func(int64, mapEntry) bool) {
	return func(yield func(int64, mapEntry) bool) {
		buf := make([]byte, min(64<<10, m.h.Blocks*4))
		for block := int64(0); block < m.h.Blocks; {
			n := min(int64(len(buf)), (m.h.Blocks-block)*4)
			if err := readFull(m.file, buf[:n], m.h.mapAt+block*4); err != nil {
				yield(block, mapEntry{err: err})
				return
			}
			for i := int64(0); i < n; i += 4 {
				if !yield(block, mapEntry{value: le.Uint32(buf[i:])}) {
					return
				}
				block++
			}
		}
	}
}
