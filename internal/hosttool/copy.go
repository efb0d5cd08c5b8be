package hosttool

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/nonzero"
)

// A deviceCopy is a device and the file of the host that a tool works on instead of it.
type deviceCopy struct {
	d Device
	f *os.File
}

const (
	copyPiece = 1 << 20 // bytes read and written at a time
	copyBlock = 4 << 10 // bytes that are compared as one, with zeros or with the old ones
)

// maxCopy is how much of a device is copied for a tool, in bytes, not counting zeros.
// A tool that makes a file system gets no copy.
const maxCopy = 64 << 30

var errTooLarge = errors.New("too much data to be copied for a tool of the host")

// fill copies what is not zero from the device to the file.
func (c *deviceCopy) fill(ctx context.Context) error {
	var copied int64
	piece, size := make([]byte, copyPiece), c.d.Size()
	for off := c.skip(0, c.d.NextData); off < size; off = c.skip(off+copyPiece, c.d.NextData) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := piece[:min(copyPiece, size-off)]
		if err := c.read(p, off); err != nil {
			return err
		}
		err := blocks(p, notZero, func(from, to int) error {
			if copied += int64(to - from); copied > maxCopy {
				return errTooLarge
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

// read reads all of p from the device.
func (c *deviceCopy) read(p []byte, off int64) error {
	n, err := c.d.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

// skip returns the beginning of the block in which next finds something from off on.
func (c *deviceCopy) skip(off int64, next func(off int64) int64) int64 {
	if off >= c.d.Size() {
		return off
	}
	return max(off, next(off)/copyBlock*copyBlock)
}

func notZero(p []byte, _ int) bool { return nonzero.In(p) }

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
func (c *deviceCopy) writeBack(all bool) error {
	st, err := c.f.Stat()
	if err != nil {
		return err
	}
	size := c.d.Size()
	end := size
	if !all {
		// A tool that shrinks a file system cuts its file as it could no device.
		end = min(end, st.Size())
	}
	cleared := all && c.d.Clear() == nil
	// Where both have holes nothing has changed.
	next := func(off int64) int64 { return SeekData(c.f, off, size) }
	if inFile := next; !cleared {
		next = func(off int64) int64 { return min(inFile(off), c.d.NextData(off)) }
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
	return c.d.Sync()
}

// writePiece writes what is not on the device already. cleared says that there are only
// zeros.
func (c *deviceCopy) writePiece(p []byte, off int64, cleared bool) error {
	match := notZero
	if !cleared {
		old := make([]byte, len(p))
		if err := c.read(old, off); err != nil {
			return err
		}
		match = func(block []byte, at int) bool { return !bytes.Equal(block, old[at:at+len(block)]) }
	}
	return blocks(p, match, func(from, to int) error {
		_, err := c.d.WriteAt(p[from:to], off+int64(from))
		return err
	})
}

// SeekData returns where the next data of a file is, from off on, or end. What is before it are
// holes, as of lseek(2) with SEEK_DATA.
func SeekData(f *os.File, off, end int64) int64 {
	next, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return end
	case err != nil:
		return off
	}
	return next
}
