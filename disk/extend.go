package disk

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// Extend returns a device of size bytes for reading, which is at least d's: it has what d
// has, and zeros after that. It is for an image whose last sector is not whole, or that
// was cut off. Writing to it fails with unix.EROFS. Closing it
// closes d. It is not a [Wrapper], as it has more bytes than d.
func Extend(d Device, size int64) Device { return extended{d, size} }

type extended struct {
	d    Device
	size int64
}

func (e extended) Size() int64 { return e.size }

func (e extended) Flush() error { return e.d.Flush() }

func (e extended) Close() error { return e.d.Close() }

func (e extended) WriteAt(p []byte, off int64) (int, error) { return 0, unix.EROFS }

func (e extended) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, unix.EINVAL
	}
	var eof error
	if left := e.size - off; int64(len(p)) > left {
		p, eof = p[:max(left, 0)], io.EOF
	}
	n := 0
	if inside := e.d.Size() - off; inside > 0 {
		var err error
		n, err = e.d.ReadAt(p[:min(int64(len(p)), inside)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
	}
	clear(p[n:])
	return len(p), eof
}
