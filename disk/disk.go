package disk

import (
	"io"
)

// A Device is a disk that is served by this program. Its methods may be called
// from several goroutines at once, with offsets and lengths that are multiples
// of the sector size and within Size.
//
// A Device may also have the methods
//
//	Discard(off, n int64) error
//	WriteZeroes(off, n int64) error
//
// which forget or zero a range faster than by writing.
type Device interface {
	io.ReaderAt
	io.WriterAt
	// Size returns the size in bytes.
	Size() int64
	// Flush makes stable what has been written, as fdatasync(2).
	Flush() error
}
