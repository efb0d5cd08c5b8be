package main

import (
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/unboot/unboot/disk"
)

// overlayBlock is what an overlay has or has not, in bytes.
const overlayBlock = 4 << 10

// An overlayDisk keeps what is written to a disk in a file, until it is committed.
type overlayDisk struct {
	below disk.Device
	file  *os.File

	mu sync.Mutex
	// has says which blocks are in the file. It is guarded by mu.
	has map[int64]*[overlayGroup / 64]uint64
	err error // guarded by mu: the first of the file
}

// overlayGroup is how many blocks have a place in memory together.
const overlayGroup = 32 << 10

func newOverlayDisk(below disk.Device, file *os.File) *overlayDisk {
	return &overlayDisk{below: below, file: file, has: map[int64]*[overlayGroup / 64]uint64{}}
}

func (o *overlayDisk) Size() int64  { return o.below.Size() }
func (o *overlayDisk) Flush() error { return nil }
func (o *overlayDisk) Close() error { return nil }

// isOver reports whether a block is in the file.
func (o *overlayDisk) isOver(block int64) bool {
	g := o.has[block/overlayGroup]
	return g != nil && g[block%overlayGroup/64]>>(block%64)&1 != 0
}

// run returns how many of n bytes at off are all in the file, or all not.
func (o *overlayDisk) run(off, n int64) (size int64, over bool) {
	over = o.isOver(off / overlayBlock)
	for size < n && o.isOver((off+size)/overlayBlock) == over {
		size += overlayBlock - (off+size)%overlayBlock
	}
	return min(size, n), over
}

func (o *overlayDisk) ReadAt(p []byte, off int64) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.read(p, off)
}

func (o *overlayDisk) read(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		size, over := o.run(off+int64(n), int64(len(p)-n))
		part := p[n:][:size]
		var m int
		if over {
			m, err = o.file.ReadAt(part, off+int64(n))
		} else {
			m, err = o.below.ReadAt(part, off+int64(n))
		}
		if n += m; m < len(part) {
			return n, err
		}
	}
	return n, nil
}

func (o *overlayDisk) WriteAt(p []byte, off int64) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	end := off + int64(len(p))
	first, last := off/overlayBlock*overlayBlock, min((end+overlayBlock-1)/overlayBlock*overlayBlock, o.Size())
	b := p
	if first < off || last > end { // whole blocks
		b = make([]byte, last-first)
		for _, at := range []int64{first, (last - 1) / overlayBlock * overlayBlock} {
			if err := readFull(readerFunc(o.read), b[at-first:min(at-first+overlayBlock, last-first)], at); err != nil {
				return 0, err
			}
		}
		copy(b[off-first:], p)
	}
	if _, err := o.file.WriteAt(b, first); err != nil {
		if o.err == nil {
			o.err = err
		}
		return 0, err
	}
	for at := first; at < last; at += overlayBlock {
		block := at / overlayBlock
		g := o.has[block/overlayGroup]
		if g == nil {
			g = new([overlayGroup / 64]uint64)
			o.has[block/overlayGroup] = g
		}
		g[block%overlayGroup/64] |= 1 << (block % 64)
	}
	return len(p), nil
}

// commit writes to the disk what the file has of it, in the order of the disk, where wanted says
// so of a block.
func (o *overlayDisk) commit(wanted func(off, n int64) bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := make([]byte, overlayBlock)
	for _, group := range slices.Sorted(maps.Keys(o.has)) {
		for i := range int64(overlayGroup) {
			off := (group*overlayGroup + i) * overlayBlock
			n := min(overlayBlock, o.Size()-off)
			if n <= 0 || !o.isOver(off/overlayBlock) || !wanted(off, n) {
				continue
			}
			if err := readFull(o.file, b[:n], off); err != nil {
				return err
			}
			if _, err := o.below.WriteAt(b[:n], off); err != nil {
				return err
			}
		}
	}
	return nil
}

type readerFunc func(p []byte, off int64) (int, error)

func (f readerFunc) ReadAt(p []byte, off int64) (int, error) { return f(p, off) }
