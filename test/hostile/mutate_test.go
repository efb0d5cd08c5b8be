package hostile

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

const blockSize = 4096

// A victim is an image that is changed and put back again and again.
type victim struct {
	f      *os.File
	size   int64
	blocks map[int64][]byte // of the original, those with data
	places []int64          // their keys, sorted
	dirty  map[int64]bool   // blocks that are not as they were
	cut    bool
}

// newVictim takes what is in a file, which it may change, as the original.
func newVictim(path string) (*victim, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	v := &victim{f: f, blocks: map[int64][]byte{}, dirty: map[int64]bool{}}
	if v.size, err = f.Seek(0, unix.SEEK_END); err != nil {
		return nil, err
	}
	for at := int64(0); at < v.size; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		if err != nil {
			break
		}
		at = start &^ (blockSize - 1)
		b := make([]byte, min(blockSize, v.size-at))
		if _, err := f.ReadAt(b, at); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
			v.blocks[at] = b
			v.places = append(v.places, at)
		}
		at += blockSize
	}
	if len(v.places) == 0 {
		return nil, fmt.Errorf("%s holds nothing", path)
	}
	return v, nil
}

// block returns a copy of a block as it is now.
func (v *victim) block(at int64) []byte {
	b := make([]byte, min(blockSize, v.size-at))
	v.f.ReadAt(b, at)
	return b
}

func (v *victim) put(at int64, b []byte) {
	v.dirty[at] = true
	v.f.WriteAt(b[:min(int64(len(b)), v.size-at)], at)
}

// restore makes the image the original again.
func (v *victim) restore() error {
	if v.cut {
		if err := v.f.Truncate(v.size); err != nil {
			return err
		}
		for _, at := range v.places {
			v.dirty[at] = true
		}
	}
	for at := range v.dirty {
		b := v.blocks[at]
		if b == nil {
			b = make([]byte, min(blockSize, v.size-at))
		}
		if _, err := v.f.WriteAt(b, at); err != nil {
			return err
		}
	}
	clear(v.dirty)
	v.cut = false
	return nil
}

// mutate changes the image in a way that the numbers of rng determine, and says
// how.
func (v *victim) mutate(rng *rand.Rand) (what string) {
	times := 1 + rng.IntN(3)
	for range times {
		what += v.once(rng) + "; "
	}
	return what
}

// place picks a block with data: mostly one of the first, where file systems
// tell what they are.
func (v *victim) place(rng *rand.Rand) int64 {
	n := len(v.places)
	if rng.IntN(3) == 0 {
		n = min(n, 16)
	}
	return v.places[rng.IntN(n)]
}

func (v *victim) once(rng *rand.Rand) string {
	at := v.place(rng)
	b := v.block(at)
	used := func() int { // an offset where something is, if it can be found
		for range 20 {
			if i := rng.IntN(len(b)); b[i] != 0 {
				return i
			}
		}
		return rng.IntN(len(b))
	}
	switch kind := rng.IntN(100); {
	case kind < 35:
		n := 1 + rng.IntN(8)
		for range n {
			b[used()] ^= byte(1 + rng.IntN(255))
		}
		v.put(at, b)
		return fmt.Sprintf("%d bytes flipped at %#x", n, at)
	case kind < 65:
		// Numbers that are larger than they ought to be.
		values := []uint32{0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 0xffff, rng.Uint32(), uint32(v.size / blockSize)}
		i := min(used()&^3, len(b)-4)
		x := values[rng.IntN(len(values))]
		if rng.IntN(3) == 0 {
			binary.BigEndian.PutUint32(b[i:], x)
		} else {
			binary.LittleEndian.PutUint32(b[i:], x)
		}
		v.put(at, b)
		return fmt.Sprintf("%#x at %#x", x, at+int64(i))
	case kind < 72:
		v.put(at, make([]byte, blockSize))
		return fmt.Sprintf("block %#x zeroed", at)
	case kind < 80:
		from := v.place(rng)
		v.put(at, v.block(from))
		return fmt.Sprintf("block %#x copied to %#x", from, at)
	case kind < 88:
		other := v.place(rng)
		c := v.block(other)
		v.put(at, c)
		v.put(other, b)
		return fmt.Sprintf("blocks %#x and %#x swapped", at, other)
	case kind < 95:
		i := rng.IntN(len(b)) &^ 511
		for j := i; j < min(i+512, len(b)); j++ {
			b[j] = byte(rng.Uint32())
		}
		v.put(at, b)
		return fmt.Sprintf("noise in the sector at %#x", at+int64(i))
	default:
		size := rng.Int64N(v.size)
		if rng.IntN(2) == 0 {
			size &^= 511
		}
		v.f.Truncate(size)
		v.cut = true
		return fmt.Sprintf("cut to %d", size)
	}
}
