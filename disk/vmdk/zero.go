package vmdk

import (
	"errors"
	"syscall"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// Discard gives what grains have of a range back to the host, where that can be. The
// grains stay where they are, and then read as zeros; there is no list of free ones in
// this format.
func (m *Image) Discard(off, n int64) error {
	return m.each("discard", off, n, func(e *extent, in, n int64) (int64, error) {
		if e.access != "RW" {
			return 0, syscall.EROFS
		}
		s, err := m.segment(e, in, n)
		if err != nil || s.Kind != disk.Data {
			return s.Size, err
		}
		if d, ok := disk.As[disk.Discarder](m.fileOf(e)); ok {
			defer e.written.Store(true)
			if err := d.Discard(s.Host, s.Size); err != nil && !errors.Is(err, syscall.EOPNOTSUPP) {
				return 0, err
			}
		}
		return s.Size, nil
	})
}

// WriteZeroes zeroes a range. What is not in the image, and is zeros, is left out of it;
// grains are zeroed in their place, as fallocate(2) with FALLOC_FL_ZERO_RANGE where the host
// has that.
func (m *Image) WriteZeroes(off, n int64) error {
	return m.each("write zeroes", off, n, func(e *extent, in, n int64) (int64, error) {
		if e.access != "RW" {
			return 0, syscall.EROFS
		}
		s, err := m.segment(e, in, n)
		if err != nil {
			return 0, err
		}
		switch {
		case s.Kind == disk.Zero, s.Kind == disk.Hole && (m.parent == nil || e.start+in >= m.parent.Size()):
			return s.Size, nil
		case s.Kind == disk.Data:
			if done, err := m.zeroData(e, s); done || err != nil {
				return s.Size, err
			}
		case e.sparse.zeroGrain && in%e.sparse.grainSize == 0 && s.Size >= e.sparse.grainSize:
			return m.zeroGrains(e, in, s.Size)
		}
		p := zeros[:min(s.Size, int64(len(zeros)))]
		done, err := m.writeExtent(e, p, in)
		return int64(done), err
	})
}

var zeros = make([]byte, 256<<10)

// zeroData zeroes what is in a file, if the file has a way to do so.
func (m *Image) zeroData(e *extent, s below.Segment) (bool, error) {
	z, ok := disk.As[disk.ZeroWriter](m.fileOf(e))
	if !ok {
		return false, nil
	}
	defer e.written.Store(true)
	err := z.WriteZeroes(s.Host, s.Size)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return false, nil
	}
	return err == nil, err
}

// zeroGrains notes that whole grains are zeros, which are not in the image.
func (m *Image) zeroGrains(e *extent, in, n int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.segment(e, in, n)
	if err != nil || s.Kind != disk.Hole {
		return 0, err // another goroutine has been here; it is looked at again
	}
	n = s.Size / e.sparse.grainSize * e.sparse.grainSize
	for at := in; at < in+n; at += e.sparse.grainSize {
		grain := at / e.sparse.grainSize
		if err := e.sparse.makeTables(grain); err != nil {
			return 0, err
		}
		if err := e.sparse.setEntry(grain, zeroEntry); err != nil {
			return 0, err
		}
	}
	e.written.Store(true)
	return n, m.relieve()
}

// fileOf returns the file that has the data of an extent.
func (m *Image) fileOf(e *extent) disk.Device {
	if e.file != nil {
		return e.file
	}
	return m.file
}

// each has a range done extent by extent: do does as much as it likes, from in on.
func (m *Image) each(op string, off, n int64, do func(e *extent, in, n int64) (int64, error)) error {
	if err := m.begin(off, n); err != nil {
		return m.wrap(op, err)
	}
	for n > 0 {
		e := m.extents[m.extent(off)]
		in := off - e.start
		done, err := do(e, in, min(n, e.size-in))
		if err != nil {
			return m.wrap(op, e.wrap(err))
		}
		off, n = off+done, n-done
	}
	return nil
}
