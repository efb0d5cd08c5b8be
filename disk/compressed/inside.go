package compressed

import (
	"errors"
	"io"
	"math"
	"sync"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// maxBeginning is how much of what is compressed [Kind.Beginning] gives, in bytes: more than the
// headers of formats.
const maxBeginning = 32 << 20

// errBeginning is what is returned for reads further on.
var errBeginning = errors.New("only the beginning is decompressed")

// Unpacked is [Kind.Open] of an image that need not be a raw disk: the device has what was
// compressed, whatever that is.
func (k Kind) Unpacked(d disk.Device, path string) (disk.Device, error) {
	m, err := k.unpack(d, path)
	if err != nil {
		return nil, (&image{}).wrap(path, err)
	}
	return m, nil
}

// Beginning returns a device that has the beginning of what is compressed, up to 32 MiB, for
// headers. It is decompressed as far as it is read. The device says no size and need not be
// closed.
func (k Kind) Beginning(d disk.Device) (disk.Device, error) {
	r, err := k.reader(d)
	if err != nil {
		return nil, damage.Errorf("%v", err)
	}
	return &beginning{r: r}, nil
}

type beginning struct {
	mu  sync.Mutex
	r   io.Reader // guarded by mu
	b   []byte    // guarded by mu: what was read of it
	err error     // guarded by mu: that of r
}

func (b *beginning) ReadAt(p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if off < 0 || off > maxBeginning-int64(len(p)) {
		return 0, errBeginning
	}
	if more := int(off) + len(p) - len(b.b); more > 0 && b.err == nil {
		read, err := io.ReadAll(io.LimitReader(b.r, int64(more)))
		if b.b = append(b.b, read...); err != nil {
			b.err = damage.Errorf("after %d bytes: %v", len(b.b), err)
		} else if len(read) < more {
			b.err = io.EOF
		}
	}
	if off >= int64(len(b.b)) {
		return 0, b.err
	}
	n := copy(p, b.b[off:])
	if n < len(p) {
		return n, b.err
	}
	return n, nil
}

// Size returns that of any disk, as it is not known.
func (b *beginning) Size() int64 { return math.MaxInt64 }

func (b *beginning) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }
func (b *beginning) Flush() error                       { return nil }
func (b *beginning) Close() error                       { return nil }
