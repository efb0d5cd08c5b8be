package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/nonzero"
)

// copyGrain is the size of the smallest part that is left out where it is zeros, in bytes.
const copyGrain = 4096

// CopyOptions say how [Copy] copies. The zero value copies everything.
type CopyOptions struct {
	// Blank says that the destination reads as zeros, as a new image does, so that zeros
	// need not be written.
	Blank bool
	// Compress stores what is copied compressed: the destination is a
	// [CompressedWriter], new, and Blank.
	Compress bool
	// Top copies only what the source has itself, and leaves what comes from its backing
	// files: the extents of [Extent.Depth] 0.
	Top bool
	// Start is where the copy begins: what is before it has been copied already. It is a
	// multiple of the destination's [CompressedWriter.CompressUnit], if that has one, and of
	// 4096.
	Start int64
	// Progress is called with how many bytes of the source are dealt with, one call after
	// the other, whose sum is its size without Start. All before that has been written then,
	// though it may not be stable. It may be nil.
	Progress func(n int64)
}

// Copy makes dst have what src has, and makes it stable as [Device.Flush] does. What src
// stores nowhere, or is zeros, takes up no room in dst where that can do without. dst is at
// least as large as src; what it has beyond is left as it is. Nothing else writes to either
// meanwhile.
//
// After an error, which says whether it is one of reading or of writing and where, dst has
// a part of it.
func Copy(ctx context.Context, dst, src Device, o CopyOptions) error {
	if dst.Size() < src.Size() {
		return fmt.Errorf("a disk of %d bytes does not fit into one of %d", src.Size(), dst.Size())
	}
	c := &copying{CopyOptions: o, dst: dst, src: src, grain: copyGrain, piece: mostData}
	c.compressed, _ = As[CompressedWriter](dst)
	if c.compressed != nil {
		unit := c.compressed.CompressUnit()
		c.grain, c.piece = unit, max(unit, c.piece-c.piece%unit)
	}
	if o.Compress && (c.compressed == nil || !o.Blank) {
		return errors.New("the format has no compression of what is written")
	}
	if o.Start < 0 || o.Start > src.Size() || o.Start%c.grain != 0 && o.Start != src.Size() {
		return fmt.Errorf("a copy cannot begin at %d", o.Start)
	}
	c.zeroWriter, _ = As[ZeroWriter](dst)
	c.buffers.New = func() any { return make([]byte, c.piece) }
	err := c.run(ctx)
	c.starting.Wait()
	if err != nil {
		return err
	}
	if err := dst.Flush(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// A copying is a copy that is being made.
type copying struct {
	CopyOptions
	dst, src   Device
	compressed CompressedWriter
	zeroWriter ZeroWriter
	grain      int64 // unit in which zeros are left out
	piece      int64 // bytes, a multiple of grain
	buffers    sync.Pool

	written  atomic.Int64 // bytes, since the host began to write them to its disk
	starting sync.WaitGroup
	busy     atomic.Bool // it is being told to
}

// writeback is after how many bytes the host is told to begin to write to its disk. If it
// began at the end only, the disk would be idle until then.
const writeback = 16 << 20

// wrote notes that something was written.
func (c *copying) wrote(n int) {
	if c.written.Add(int64(n)) < writeback || c.busy.Swap(true) {
		return
	}
	c.written.Store(0)
	c.starting.Go(func() { // which may have to wait for the disk
		StartWriting(c.dst)
		c.busy.Store(false)
	})
}

func (c *copying) run(ctx context.Context) error {
	kind := classify
	if c.Top {
		kind = classifyTop
	}
	size := c.src.Size()
	parts := cut(runs(extents(c.src, c.Start, size-c.Start), kind, c.grain, c.Start, size), c.piece)
	for p, err := range inOrder(ctx, parts, c.worker) {
		if err == nil && !c.Compress {
			err = c.deal(p)
		}
		if err != nil {
			return err
		}
		if c.Progress != nil {
			c.Progress(p.end - p.off)
		}
	}
	return nil
}

// A piece is a part with what was read of it, if it is data.
type piece struct {
	part
	b []byte
}

// worker returns a function that reads one part after the other. What compresses does so
// in several workers; otherwise the parts are written in their order, so that what is
// created is the same each time, and lies in the image as it does on the disk.
func (c *copying) worker() func(part) (piece, error) {
	return func(p part) (piece, error) {
		r := piece{part: p}
		if p.class == data {
			r.b = c.buffers.Get().([]byte)[:p.end-p.off]
			if err := readPart(c.src, r.b, p.off); err != nil {
				return r, err
			}
		}
		if c.Compress {
			return r, c.deal(r)
		}
		return r, nil
	}
}

// deal does with a part what is to be done.
func (c *copying) deal(p piece) error {
	switch p.class {
	case zeros:
		return c.zero(p.off, p.end)
	case data:
		defer c.buffers.Put(p.b[:cap(p.b)])
		return c.data(p.b, p.off)
	}
	return nil
}

// readPart reads what is known to be inside a disk.
func readPart(d Device, b []byte, off int64) error {
	n, err := d.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read at %d: %w", off+int64(n), err)
}

// data writes what was read, and leaves out grains of zeros.
func (c *copying) data(b []byte, off int64) error {
	for len(b) > 0 {
		n, zero := c.alike(b)
		var err error
		if zero {
			err = c.zero(off, off+n)
		} else {
			err = c.write(b[:n], off)
		}
		if err != nil {
			return err
		}
		b, off = b[n:], off+n
	}
	return nil
}

// alike returns how many bytes at the start of b are grains of zeros, or grains of which
// none is.
func (c *copying) alike(b []byte) (n int64, zero bool) {
	for n < int64(len(b)) {
		g := b[n:min(n+c.grain, int64(len(b)))]
		if z := !nonzero.In(g); n == 0 {
			zero = z
		} else if z != zero {
			break
		}
		n += int64(len(g))
	}
	return n, zero
}

func (c *copying) write(b []byte, off int64) error {
	var err error
	if c.Compress {
		err = c.compressed.WriteCompressed(b, off)
	} else {
		_, err = c.dst.WriteAt(b, off)
	}
	c.wrote(len(b))
	return writeError(off, err)
}

// zero makes a range of the destination zeros.
func (c *copying) zero(off, end int64) error {
	if c.Blank {
		return nil
	}
	if c.zeroWriter != nil {
		err := c.zeroWriter.WriteZeroes(off, end-off)
		if !errors.Is(err, unix.EOPNOTSUPP) {
			return writeError(off, err)
		}
	}
	for off < end {
		b := zeroes[:min(int64(len(zeroes)), end-off)]
		if _, err := c.dst.WriteAt(b, off); err != nil {
			return writeError(off, err)
		}
		off += int64(len(b))
	}
	return nil
}

func writeError(off int64, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write at %d: %w", off, err)
}

var zeroes [64 << 10]byte
