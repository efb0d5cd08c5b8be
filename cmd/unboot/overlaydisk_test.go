package main

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// A memoryDisk is in memory.
type memoryDisk []byte

func (m memoryDisk) ReadAt(p []byte, off int64) (int, error)  { return copy(p, m[off:]), nil }
func (m memoryDisk) WriteAt(p []byte, off int64) (int, error) { return copy(m[off:], p), nil }
func (m memoryDisk) Size() int64                              { return int64(len(m)) }
func (m memoryDisk) Flush() error                             { return nil }
func (m memoryDisk) Close() error                             { return nil }

var _ disk.Device = memoryDisk(nil)

// TestOverlayDisk writes anywhere: it is there, the disk is as it was, and has it after commits.
func TestOverlayDisk(t *testing.T) {
	const size = 1<<20 + 512*3
	r := rand.New(rand.NewPCG(1, 2))
	below := make(memoryDisk, size)
	for i := range below {
		below[i] = byte(r.Uint32())
	}
	was, want := bytes.Clone(below), bytes.Clone(below)
	file, err := lkl.NewOverlay("")
	rig.Check(t, "overlay", err)
	defer file.Close()
	o := newOverlayDisk(below, file)
	for range 200 {
		off := r.IntN(size)
		p := make([]byte, 1+r.IntN(min(20000, size-off)))
		if r.IntN(2) == 0 {
			p[0] = byte(r.Uint32())
			_, err := o.WriteAt(p, int64(off))
			rig.Check(t, "write", err)
			copy(want[off:], p)
		}
		_, err := o.ReadAt(p, int64(off))
		rig.Check(t, "read", err)
		if !bytes.Equal(p, want[off:][:len(p)]) {
			t.Fatalf("%d bytes at %d are others", len(p), off)
		}
	}
	if !bytes.Equal(below, was) {
		t.Error("the disk below has changed")
	}
	odd := func(off, n int64) bool { return off/overlayBlock%2 == 1 }
	rig.Check(t, "commit", o.commit(odd))
	for off := int64(0); off < size; off += overlayBlock {
		n := min(overlayBlock, size-off)
		from := was
		if odd(off, n) {
			from = want
		}
		if !bytes.Equal(below[off:][:n], from[off:][:n]) {
			t.Fatalf("after the first commit, the block at %d is another", off)
		}
	}
	rig.Check(t, "commit", o.commit(func(off, n int64) bool { return !odd(off, n) }))
	if !bytes.Equal(below, want) {
		t.Error("after both commits, the disk is another")
	}
}

// TestNTFSLayout has clusters that are smaller than blocks, and an odd start.
func TestNTFSLayout(t *testing.T) {
	const start = 63 * 512
	// The clusters 0 to 3 and 16 are in use, and there are 24.
	l := &ntfsLayout{start: start, cluster: 1 << 10, bitmap: "\x0f\x00\x01", own: 17 << 10, ownEnd: 20 << 10}
	for off, want := range map[int64]int{
		0: 1, start - 4096: 1, start - 512: 2, start: 2, start + 1<<10: 1, start + 4<<10: 0, start + 12<<10: 0,
		start + 13<<10: 1, start + 16<<10: 2, start + 17<<10: 0, start + 20<<10: 0, start + 21<<10: 1, start + 1<<40: 1,
	} {
		if got := l.pass(off, overlayBlock); got != want {
			t.Errorf("%d: %d, not %d", off-start, got, want)
		}
	}
}
