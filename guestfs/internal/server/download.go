package server

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/unboot/unboot"
)

// downloadPiece is after how many bytes a download to a file of the host looks whether it
// is still wanted, and reports how far it is.
const downloadPiece = 64 << 20

// A download is a range of a file or device on its way out. It is an io.Reader that is to
// be asked for its WriteTo: so what takes the data decides where it goes, and if that is a
// file of the host, the host moves the data by itself.
type download struct {
	ctx   context.Context
	h     *handle
	off   int64
	left  int64 // bytes, or -1 for all there are
	done  uint64
	total uint64
	err   error // of reading
}

// send writes n bytes from an offset on to the library, all if n is negative.
func (h *handle) send(ctx context.Context, out io.Writer, off, n int64) error {
	total, err := h.Size()
	if err != nil {
		return perror(err, "%s", h.Name())
	}
	total = max(total-off, 0)
	if n >= 0 {
		total = min(total, n)
	}
	d := &download{ctx: ctx, h: h, off: off, left: n, total: uint64(total)}
	if to, ok := out.(io.ReaderFrom); ok {
		_, err = to.ReadFrom(d)
	} else {
		_, err = d.WriteTo(out)
	}
	if d.err != nil {
		return d.err
	}
	return err
}

// WriteTo implements io.WriterTo.
func (d *download) WriteTo(w io.Writer) (written int64, err error) {
	if f, ok := w.(*os.File); ok {
		return d.writeToFile(f)
	}
	write := d.h.writeTo
	if _, ok := w.(unboot.SharedWriter); ok {
		write = d.h.writeShared
	}
	to := &failing{w: w}
	written, err = write(d.ctx, &meter{ctx: d.ctx, w: to, done: d.done, total: d.total}, d.off, d.left)
	switch {
	case to.err != nil:
		err = to.err
	case err != nil:
		d.err = perror(err, "read: %s", d.h.Name())
		err = d.err
	}
	return written, err
}

// writeToFile is WriteTo of a file of the host. In between, where a writer of its own would
// stand in the way, it looks whether the data is still wanted.
func (d *download) writeToFile(f *os.File) (written int64, err error) {
	for d.left != 0 {
		if d.err = d.ctx.Err(); d.err != nil {
			return written, d.err
		}
		piece := int64(downloadPiece)
		if d.left > 0 {
			piece = min(piece, d.left)
		}
		n, err := d.h.WriteRangeTo(f, d.off, piece)
		written += n
		d.advance(n)
		if e, ok := err.(*fs.PathError); ok && e.Op == "read" {
			d.err = perror(err, "read: %s", d.h.Name())
			err = d.err
		}
		if err != nil || n < piece {
			return written, err
		}
	}
	return written, nil
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	if d.err == nil {
		d.err = d.ctx.Err()
	}
	switch {
	case d.err != nil:
		return 0, d.err
	case d.left == 0:
		return 0, io.EOF
	case d.left > 0:
		p = p[:min(int64(len(p)), d.left)]
	}
	n, err := d.h.ReadAt(p, d.off)
	d.advance(int64(n))
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil && err != io.EOF {
		d.err = perror(err, "read: %s", d.h.Name())
		err = d.err
	}
	return n, err
}

// advance notes that n bytes are on their way.
func (d *download) advance(n int64) {
	d.off += n
	d.done += uint64(n)
	if d.left > 0 {
		d.left -= n
	}
	progress(d.ctx, d.done, d.total)
}
