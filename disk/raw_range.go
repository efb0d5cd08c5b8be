package disk

import (
	"errors"
	"io/fs"
	"iter"

	"golang.org/x/sys/unix"
)

// Discard gives a range back to the host, as fallocate(2) with FALLOC_FL_PUNCH_HOLE. What
// was there reads as zeros. The error wraps unix.EOPNOTSUPP if the host's file system or
// device has no such thing.
func (r *Raw) Discard(off, n int64) error {
	return r.fallocate(unix.FALLOC_FL_PUNCH_HOLE, off, n)
}

// WriteZeroes zeroes a range, as fallocate(2) with FALLOC_FL_ZERO_RANGE, or by a hole
// where the file system only has those. The error wraps unix.EOPNOTSUPP if it has neither.
func (r *Raw) WriteZeroes(off, n int64) error {
	err := r.fallocate(unix.FALLOC_FL_ZERO_RANGE, off, n)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = r.Discard(off, n)
	}
	return err
}

// fallocate changes a range without changing the size.
func (r *Raw) fallocate(mode uint32, off, n int64) error {
	err := error(unix.EINVAL)
	if size := r.Size(); off >= 0 && n >= 0 && off <= size && n <= size-off {
		err = nil
	}
	for err == nil && n > 0 {
		if err = unix.Fallocate(int(r.f.Fd()), mode|unix.FALLOC_FL_KEEP_SIZE, off, n); err != unix.EINTR {
			break
		}
		err = nil
	}
	if err != nil {
		return &fs.PathError{Op: "fallocate", Path: r.f.Name(), Err: err}
	}
	return nil
}

// Resize changes the size of an image file, as ftruncate(2). That of a block device cannot
// be changed: the error wraps unix.EINVAL, as for a size below [MinSize].
func (r *Raw) Resize(size int64) error {
	err := error(unix.EINVAL)
	if !r.block && size >= MinSize {
		err = bare(r.f.Truncate(size))
	}
	if err != nil {
		return &fs.PathError{Op: "truncate", Path: r.f.Name(), Err: err}
	}
	r.size.Store(size)
	return nil
}

// Extents says where an image file has holes, as lseek(2) with SEEK_DATA and SEEK_HOLE.
// What has not reached the host's disk yet may be told as a hole if the file system does
// so. Where nothing is known of holes, as on block devices, all is Data.
func (r *Raw) Extents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		if off < 0 || n < 0 {
			return
		}
		size := r.Size()
		end := off + min(max(size-off, 0), n)
		for off < end {
			data, hole := r.nextData(off, end)
			if off < data && !yield(Extent{Start: off, Size: data - off, Kind: Hole}, nil) {
				return
			}
			if data < hole && !yield(Extent{Start: data, Size: hole - data, Kind: Data, Offset: data}, nil) {
				return
			}
			off = hole
		}
	}
}

// nextData returns where the next data from off on begins and where that ends, up to end.
func (r *Raw) nextData(off, end int64) (data, hole int64) {
	fd := int(r.f.Fd())
	data, err := unix.Seek(fd, off, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return end, end
	}
	if err != nil || r.block {
		return off, end
	}
	data = min(max(data, off), end)
	if hole, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil || hole <= data {
		return data, end // the file may be changing
	}
	return data, min(hole, end)
}
