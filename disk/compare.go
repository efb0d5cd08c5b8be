package disk

import (
	"bytes"
	"context"
	"errors"
	"iter"
)

// compareGrain is the unit in which differences are told, in bytes.
const compareGrain = MinSize

// A Range is a part of a disk.
type Range struct {
	Start, Size int64 // bytes
}

// Compare returns the ranges in which two disks have different content, in their order and
// in units of 512 bytes. The smaller disk counts as if zeros followed it. What neither
// stores is not read. progress is called with how many bytes of the larger disk are dealt
// with, one call after the other, and may be nil.
//
// After an error, which says where it was, there is nothing more.
func Compare(ctx context.Context, a, b Device, progress func(n int64)) iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) {
		c := comparison{a, b, max(a.Size(), b.Size())}
		var last Range // which may go on
		var at int64
		for r, err := range inOrder(ctx, cut(c.runs(), mostData), c.worker) {
			if err != nil {
				if last.Size > 0 && !yield(last, nil) {
					return
				}
				yield(Range{}, err)
				return
			}
			if progress != nil {
				progress(r.end - at)
			}
			at = r.end
			for _, d := range r.different {
				if last.Start+last.Size == d.Start {
					last.Size += d.Size
					continue
				}
				if last.Size > 0 && !yield(last, nil) {
					return
				}
				last = d
			}
		}
		if last.Size > 0 && !yield(last, nil) {
			return
		}
		if progress != nil {
			progress(c.size - at)
		}
	}
}

type comparison struct {
	a, b Device
	size int64
}

// compared is what has come of a part.
type compared struct {
	different []Range
	end       int64 // of the part
}

// runs returns the parts that one of the disks stores, or both do.
func (c comparison) runs() iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		for p, err := range c.stored(c.a, 0, c.size) {
			if err == nil && p.class == data {
				if !yield(p, nil) {
					return
				}
				continue
			}
			if err != nil {
				yield(p, err)
				return
			}
			for q, err := range c.stored(c.b, p.off, p.end) {
				if err != nil {
					yield(q, err)
					return
				}
				if q.class == data && !yield(q, nil) {
					return
				}
			}
		}
	}
}

// stored returns the parts of a range that a disk stores, and those that it does not, to
// the end of the range, which may be beyond the disk's.
func (c comparison) stored(d Device, off, end int64) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		at := off
		for p, err := range runs(extents(d, off, end-off), classify, compareGrain, off, end) {
			if !yield(p, err) || err != nil {
				return
			}
			at = p.end
		}
		if at < end {
			yield(part{at, end, zeros}, nil)
		}
	}
}

func (c comparison) worker() func(part) (compared, error) {
	buf := make([]byte, 2*mostData)
	return func(p part) (compared, error) {
		n := p.end - p.off
		a, b := buf[:n], buf[mostData:mostData+n]
		if err := errors.Join(readOrZero(c.a, a, p.off), readOrZero(c.b, b, p.off)); err != nil {
			return compared{}, err
		}
		return compared{differences(a, b, p.off), p.end}, nil
	}
}

// readOrZero reads what is inside a disk, and zeros beyond.
func readOrZero(d Device, b []byte, off int64) error {
	inside := max(0, min(int64(len(b)), d.Size()-off))
	clear(b[inside:])
	if inside == 0 {
		return nil
	}
	return readPart(d, b[:inside], off)
}

// differences returns the ranges of two buffers of equal size that differ, as ranges of
// the disks from off on.
func differences(a, b []byte, off int64) (list []Range) {
	if bytes.Equal(a, b) {
		return nil
	}
	for i := 0; i < len(a); {
		n := min(compareGrain, len(a)-i)
		if !bytes.Equal(a[i:i+n], b[i:i+n]) {
			if last := len(list) - 1; last >= 0 && list[last].Start+list[last].Size == off+int64(i) {
				list[last].Size += int64(n)
			} else {
				list = append(list, Range{off + int64(i), int64(n)})
			}
		}
		i += n
	}
	return list
}
