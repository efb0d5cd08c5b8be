package disk

import (
	"iter"
	"os"
)

// A Discarder can forget a range: reading it may give anything afterwards, the old
// content included.
type Discarder interface {
	Discard(off, n int64) error
}

// A ZeroWriter can zero a range faster than by writing.
type ZeroWriter interface {
	WriteZeroes(off, n int64) error
}

// An Extenter can say how n bytes from off on are stored, in the order of their offsets.
// The extents fill the part of the range that is inside the disk without a gap. After an
// error there is nothing more.
type Extenter interface {
	Extents(off, n int64) iter.Seq2[Extent, error]
}

// A Resizer can change the size of the disk, in bytes. What it grows by reads as zeros.
type Resizer interface {
	Resize(size int64) error
}

// A HostFile has its bytes in a file or block device of the host, each at the same offset
// as in the disk: whoever uses the descriptor, such as the kernel process, sees and
// changes the disk. The file belongs to the device, and is open until that is closed.
type HostFile interface {
	File() *os.File
}

// A SectorSizer has logical blocks of a size of its own, in bytes, which are what it can
// read and write. The size is 0 for a device that does not care, such as a file.
type SectorSizer interface {
	SectorSize() int
}

// A WritebackStarter can begin to make stable what has been written, without waiting
// for it. It promises nothing; Flush does.
type WritebackStarter interface {
	StartWriting()
}

// StartWriting begins to make stable what has been written to a device, if that can be done.
func StartWriting(d Device) {
	if w, ok := As[WritebackStarter](d); ok {
		w.StartWriting()
	}
}

// A Prefetcher can have ranges at hand that will be read soon. Prefetch waits for nothing, and
// promises nothing: what cannot be read is found out by who reads it.
type Prefetcher interface {
	Prefetch(off, n int64)
}

// A Permission says whether a device was opened for writing.
type Permission interface {
	Writable() bool
}

// Writable reports whether a device says that it was opened for writing.
func Writable(d Device) bool {
	p, ok := As[Permission](d)
	return ok && p.Writable()
}

// A Locker can keep other writers out until the device is closed. It is asked when it is
// known that the device is to be written to. The error wraps [ErrInUse] if another
// program writes to it.
type Locker interface {
	Lock() error
}

// A CompressedWriter can store compressed what is written, in units of so many bytes.
// WriteCompressed writes whole units, of which only the last of the disk may be shorter,
// and which were not written before; what does not become smaller is stored as it is. As
// WriteAt, it may be called from several goroutines at once, which then compress at once.
type CompressedWriter interface {
	CompressUnit() int64
	WriteCompressed(p []byte, off int64) error
}

// A Rebaser can have another backing file, of which the name and the format are written into
// the image as they are, or none if the name is "". The content of the disk is then what
// the image has itself and, for the rest, what is in the new file: to keep it, what differs
// is written before. The device that is open goes on with the old one.
type Rebaser interface {
	SetBacking(name, format string) error
}

// An Emptier is an image that can forget all that it has itself, so that the disk is what is
// in its backing file, or zeros. Errors wrap errors.ErrUnsupported if this one cannot.
type Emptier interface {
	Empty() error
}

// A Wrapper is a Device around another one, with the same bytes at the same offsets and
// the same permission to write: a capability of the inner device can be used as if it
// were the wrapper's own. A device that changes any of these must not be a Wrapper, as
// it would be passed by.
type Wrapper interface {
	Unwrap() Device
}

// As finds a capability T of a device, its own or, through any number of wrappers, that
// of the device inside. The outermost one that has it answers. T may also be the type of
// a device, such as *[Raw].
func As[T any](d Device) (T, bool) {
	for d != nil {
		if t, ok := d.(T); ok {
			return t, true
		}
		w, ok := d.(Wrapper)
		if !ok {
			break
		}
		d = w.Unwrap()
	}
	var none T
	return none, false
}
