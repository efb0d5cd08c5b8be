package lkl

import (
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// MaxBuffer is the largest size of a Buffer, in bytes. All Buffers of a
// kernel together have 16 MiB.
const MaxBuffer = 8 << 20

// A Buffer is memory that this program shares with the kernel: a system call
// whose []byte argument lies in it needs no copy.
//
// The memory is not the garbage collector's. It stays valid until Free, even
// when the kernel has ended; after Free, the slices of it must not be touched.
// A Buffer that is not freed keeps the address space of the whole window (32
// MiB, of which only what was touched is real memory).
type Buffer struct {
	k     *Kernel
	mem   []byte
	off   uint64
	freed atomic.Bool
}

// Alloc returns a Buffer of n bytes, which are not cleared. It is aligned to
// its size rounded up to a power of two, up to at least the page size. When
// the memory is used up, Alloc waits until some is freed or the kernel ends:
// a goroutine that waits for a second Buffer while holding one may wait for
// others that do the same. An n above MaxBuffer, or negative, is
// unix.EINVAL.
func (k *Kernel) Alloc(n int) (*Buffer, error) {
	if n < 0 || n > MaxBuffer {
		return nil, unix.EINVAL
	}
	s := k.state
	s.mu.Lock()
	if s.dead {
		s.mu.Unlock()
		return nil, s.err
	}
	s.w.acquire() // while the kernel's own hold is sure
	s.mu.Unlock()
	off, err := s.buffers.alloc(max(n, 1))
	if err != nil {
		s.w.release()
		return nil, err
	}
	end := int(off) + n
	return &Buffer{k: k, off: uint64(off), mem: s.w.mem[off:end:end]}, nil
}

// Bytes returns the memory.
func (b *Buffer) Bytes() []byte { return b.mem }

// Addr returns the memory's address for the kernel, for use in structures
// with pointers (see [View.Ioctl]).
func (b *Buffer) Addr() uint64 { return windowBase + b.off }

// Free gives the memory back. Freeing twice, or a nil Buffer, does nothing.
func (b *Buffer) Free() {
	if b != nil && b.freed.CompareAndSwap(false, true) {
		b.k.buffers.free(uint32(b.off))
		b.k.w.release()
	}
}
