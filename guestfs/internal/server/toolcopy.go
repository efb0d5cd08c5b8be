package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A toolCopy is a device and the file of the host that a tool works on in its place.
type toolCopy struct {
	n     *node
	f     *os.File
	holes holes // of the device
}

const (
	copyPiece = 1 << 20 // bytes read and written at a time
	copyBlock = 4 << 10 // what is not zero, or changed, is told in blocks of so many
)

// maxToolCopy is how much of a device is copied for a tool, in bytes, not counting zeros.
// A tool that makes a file system gets no copy.
const maxToolCopy = 64 << 30

var errToolCopy = errors.New("too much data to be copied for a tool of the host")

// fill copies what is not zero from the device to the file.
func (c *toolCopy) fill(ctx context.Context) error {
	buf, err := c.n.k.Alloc(copyPiece)
	if err != nil {
		return err
	}
	defer buf.Free()
	var copied int64
	piece := make([]byte, copyPiece)
	for off := c.skip(0, c.holes.next); off < c.n.size; off = c.skip(off+copyPiece, c.holes.next) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := piece[:min(copyPiece, c.n.size-off)]
		if err := c.n.readInto(p, buf.Bytes(), off); err != nil {
			return err
		}
		err := blocks(p, notZero, func(from, to int) error {
			if copied += int64(to - from); copied > maxToolCopy {
				return errToolCopy
			}
			_, err := c.f.WriteAt(p[from:to], off+int64(from))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// skip returns the beginning of the block in which next finds something from off on.
func (c *toolCopy) skip(off int64, next func(off int64) int64) int64 {
	if off >= c.n.size {
		return off
	}
	return max(off, next(off)/copyBlock*copyBlock)
}

// readInto reads through memory that is shared with the kernel, of which p is a copy:
// what is computed with must not change meanwhile.
func (n *node) readInto(p, shared []byte, off int64) error {
	got, err := n.k.PreadDirect(n.fd, shared[:len(p)], off)
	if err != nil {
		return err
	}
	if got < len(p) {
		return io.ErrUnexpectedEOF
	}
	copy(p, shared)
	return nil
}

func notZero(p []byte, _ int) bool { return !isZero(p) }

// blocks calls f with the runs of blocks of p that match. match gets a block and its
// offset in p.
func blocks(p []byte, match func(block []byte, at int) bool, f func(from, to int) error) error {
	start := -1
	for at := 0; at < len(p); at += copyBlock {
		end := min(at+copyBlock, len(p))
		if match(p[at:end], at) {
			if start < 0 {
				start = at
			}
			continue
		}
		if start >= 0 {
			if err := f(start, at); err != nil {
				return err
			}
			start = -1
		}
	}
	if start >= 0 {
		return f(start, len(p))
	}
	return nil
}

// writeBack writes to the device what the file has. all says that the device has nothing
// of it yet. It is not given up half way: what would be left is neither the old nor the
// new.
func (c *toolCopy) writeBack(all bool) error {
	st, err := c.f.Stat()
	if err != nil {
		return err
	}
	end := c.n.size
	if !all {
		// A tool that shrinks a file system cuts its file as it could no device.
		end = min(end, st.Size())
	}
	cleared := all && c.n.clear() == nil
	// Where both have holes nothing has changed.
	next := func(off int64) int64 { return seekData(c.f, off, c.n.size) }
	if inFile := next; !cleared {
		next = func(off int64) int64 { return min(inFile(off), c.holes.next(off)) }
	}
	buf := make([]byte, copyPiece)
	for off := c.skip(0, next); off < end; off = c.skip(off+copyPiece, next) {
		p := buf[:min(copyPiece, end-off)]
		n, err := c.f.ReadAt(p, off)
		if err != nil && err != io.EOF {
			return err
		}
		clear(p[n:])
		if err := c.writePiece(p, off, cleared); err != nil {
			return err
		}
	}
	return c.n.Sync()
}

// writePiece writes what is not on the device already. cleared says that there are only
// zeros.
func (c *toolCopy) writePiece(p []byte, off int64, cleared bool) error {
	match := notZero
	if !cleared {
		old := make([]byte, len(p))
		if _, err := c.n.ReadAt(old, off); err != nil {
			return err
		}
		match = func(block []byte, at int) bool { return !bytes.Equal(block, old[at:at+len(block)]) }
	}
	return blocks(p, match, func(from, to int) error {
		_, err := c.n.WriteAt(p[from:to], off+int64(from))
		return err
	})
}

// clear zeroes the device, if that takes no writing: its disk gets holes.
func (n *node) clear() error {
	return n.k.Fallocate(n.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, n.size)
}
