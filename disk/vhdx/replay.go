package vhdx

import (
	"errors"
	"io"

	"github.com/unboot/unboot/disk"
)

// maxZeros is how many ranges to zero a log may have, of those that are replayed in memory.
const maxZeros = 1 << 16

// replayed is a file as it would be if its log had been replayed. Of the changes, only where
// they are in the log is kept in memory. It is not a [disk.Wrapper].
type replayed struct {
	disk.Device
	ring    *ring
	size    int64
	changes []change
	sectors map[int64]int // the last change with data, by offset in the file
	zeros   []int         // the changes without
}

// replay returns the file as it is after the changes of a sequence.
func replay(d disk.Device, l *ring, s *sequence) (*replayed, error) {
	r := &replayed{Device: d, ring: l, size: d.Size(), sectors: map[int64]int{}}
	for _, e := range s.entries {
		for c, err := range l.descriptors(e) {
			if err != nil {
				return nil, err
			}
			i, end := len(r.changes), c.at+c.zero
			r.changes = append(r.changes, c)
			if c.zero == 0 {
				r.sectors[c.at], end = i, c.at+logSector
			} else if r.zeros = append(r.zeros, i); len(r.zeros) > maxZeros {
				return nil, damaged("the log has more than %d descriptors of zeros", maxZeros)
			}
			r.size = max(r.size, end)
		}
		r.size = max(r.size, e.last)
	}
	return r, nil
}

// Size returns the size that the file should have.
func (r *replayed) Size() int64 { return r.size }

// change returns the number of the last change of a sector of the log's size, or -1.
func (r *replayed) change(at int64) int {
	last := -1
	if i, ok := r.sectors[at]; ok {
		last = i
	}
	for n := len(r.zeros) - 1; n >= 0 && r.zeros[n] > last; n-- {
		if c := &r.changes[r.zeros[n]]; c.at <= at && at < c.at+c.zero {
			last = r.zeros[n]
		}
	}
	return last
}

// ReadAt implements [io.ReaderAt].
func (r *replayed) ReadAt(p []byte, off int64) (int, error) {
	var eof error
	if left := r.size - off; int64(len(p)) > left {
		p, eof = p[:max(left, 0)], io.EOF
	}
	plain := func(from, to int) error {
		if from == to {
			return nil
		}
		n, err := r.Device.ReadAt(p[from:to], off+int64(from))
		if n < to-from && err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		clear(p[from+n : to])
		return nil
	}
	from := 0 // of what was not changed
	for n := 0; n < len(p); {
		at := off + int64(n)
		in := int(at & (logSector - 1))
		size := min(len(p)-n, logSector-in)
		if i := r.change(at - int64(in)); i >= 0 {
			if err := plain(from, n); err != nil {
				return from, err
			}
			if c := r.changes[i]; c.zero != 0 {
				clear(p[n : n+size])
			} else {
				b, err := r.ring.data(c)
				if err != nil {
					return n, err
				}
				copy(p[n:n+size], b[in:])
			}
			from = n + size
		}
		n += size
	}
	if err := plain(from, len(p)); err != nil {
		return from, err
	}
	return len(p), eof
}
