package lkl

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A window is this side's mapping of the memory shared with a kernel process.
//
// The mapping lives as long as anything may touch it: refs counts those who do,
// who are the goroutine that watches the process until it is dead, calls in
// flight, Buffers, the block server and its requests.
type window struct {
	mem  []byte
	base uintptr
	refs atomic.Int64

	header *abiHeader
	calls  *[maxCalls]abiCall
	blocks *[maxBlocks]abiBlock
	// To the kernel, to the block server, and to the kernel.
	callRing, blockRing, doneRing *abiRing
}

// newWindow makes the memory and returns it with its descriptor.
func newWindow() (*window, int, error) {
	fd, err := unix.MemfdCreate("unboot-window", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, -1, fmt.Errorf("lkl: memfd_create: %w", err)
	}
	w, err := mapWindow(fd)
	if err != nil {
		unix.Close(fd)
		return nil, -1, err
	}
	return w, fd, nil
}

func mapWindow(fd int) (*window, error) {
	if err := unix.Ftruncate(fd, windowSize); err != nil {
		return nil, fmt.Errorf("lkl: ftruncate: %w", err)
	}
	// A kernel process that could shrink it could kill this program by SIGBUS.
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("lkl: sealing the window: %w", err)
	}
	mem, err := unix.Mmap(fd, 0, windowSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("lkl: mmap: %w", err)
	}
	w := &window{mem: mem}
	w.cast()
	w.refs.Store(1)
	return w, nil
}

// acquire keeps the mapping. Preconditions: it is held already.
func (w *window) acquire() { w.refs.Add(1) }

// release lets go of the mapping.
func (w *window) release() {
	if w.refs.Add(-1) == 0 {
		unix.Munmap(w.mem)
	}
}

// addr returns the kernel's address of b if b lies in the window.
func (w *window) addr(b []byte) (uint64, bool) {
	if len(b) == 0 {
		return windowBase + offArena, true
	}
	off := addressOf(b) - w.base // wraps around below the base
	if off >= windowSize || off+uintptr(len(b)) > windowSize {
		return 0, false
	}
	return windowBase + uint64(off), true
}

// slice returns the window's memory from off, n bytes. The numbers may come
// from the kernel process.
func (w *window) slice(off, n uint64) ([]byte, bool) {
	if off < offArena || off > windowSize || n > windowSize-off {
		return nil, false
	}
	return w.mem[off : off+n : off+n], true
}
