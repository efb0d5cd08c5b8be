package unboot

import (
	"io"
	"math"

	"golang.org/x/sys/unix"
)

// WriteTo writes the rest of the file to w. Several requests are in flight. If w is
// an *os.File, the data is written from where the kernel has put it, or has found
// it: of a large file in an image that is only read, the host's sendfile(2) moves
// most from one file to the other.
//
// While w writes, nothing of the image waits for it, and the file's offset is
// past the data that w was given, as an os.File's is: w may use the file itself.
// After an error of w it is past what w has written.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	if w == io.Writer(f) {
		return copyToItself(w, f)
	}
	out := newPieceWriter(f, w)
	out.end = -1
	for {
		var err error
		if out.off, err = f.offset(); err == nil {
			out.moved = false
			err = out.writeRest()
		}
		switch {
		case out.err != nil:
			return out.n, out.err
		case err != nil:
			return out.n, f.pathError("read", err)
		case !out.moved && f.step(out.off, out.off):
			return out.n, nil
		}
		// Another caller has moved the offset: the rest is read from there.
	}
}

// WriteRangeTo writes a range of the file to w as [File.WriteTo] does: n bytes from off on,
// or all there is if n is negative. It is not an error if the file ends before. The file's
// offset is neither used nor moved.
func (f *File) WriteRangeTo(w io.Writer, off, n int64) (int64, error) {
	switch {
	case off < 0 || n > math.MaxInt64-off:
		return 0, f.pathError("read", unix.EINVAL)
	case n < 0 && w == io.Writer(f):
		n = math.MaxInt64 - off
	}
	if w == io.Writer(f) {
		return copyToItself(w, io.NewSectionReader(f, off, n))
	}
	out := newPieceWriter(f, w)
	out.off, out.end, out.ranged = off, -1, true
	if n >= 0 {
		out.end = off + n
	}
	if err := out.writeRest(); out.err == nil && err != nil {
		return out.n, f.pathError("read", err)
	}
	return out.n, out.err
}

// A SharedWriter is a writer that does nothing with data but copy it, and is done soon.
// [File.WriteTo] then spares a copy: WriteShared gets memory that the kernel's process can
// change meanwhile, and in which nothing may be looked for.
type SharedWriter interface {
	io.Writer
	// WriteShared is Write.
	WriteShared(p []byte) (int, error)
}

// mayShare reports whether a writer does nothing with what it is given but copy
// it, so that it does not matter if the kernel's process changes it meanwhile, and
// is done soon.
func mayShare(w io.Writer) bool {
	if _, ok := w.(*File); ok {
		return true
	}
	return w == io.Discard || plainFile(w)
}
