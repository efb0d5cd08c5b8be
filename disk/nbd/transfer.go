package nbd

import (
	"errors"
	"sync"
	"syscall"
)

// piece is how much a request reads or writes at most: several of them are under way at a
// time, which is faster than one that is larger, and loses less with a connection.
const piece = 256 << 10

// eachPiece calls do for the parts of a range of whole blocks, several at a time.
func (d *Device) eachPiece(n int64, do func(at, n int64) error) error {
	size := min(piece, int64(d.export.MaxBlock))
	if n <= size {
		if n <= 0 {
			return nil
		}
		return do(0, n)
	}
	var (
		wait   sync.WaitGroup
		mu     sync.Mutex
		failed error // guarded by mu
	)
	slots := make(chan struct{}, maxFlight/2)
	for at := int64(0); at < n; at += size {
		slots <- struct{}{}
		mu.Lock()
		stop := failed != nil
		mu.Unlock()
		if stop {
			break
		}
		wait.Go(func() {
			defer func() { <-slots }()
			if err := do(at, min(size, n-at)); err != nil {
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return first(failed)
}

// first returns the first of several errors, which mostly say the same.
func first(err error) error {
	if j, ok := err.(interface{ Unwrap() []error }); ok && err != nil {
		if _, lost := err.(*lostError); !lost {
			return first(j.Unwrap()[0])
		}
	}
	return err
}

// read reads any range inside the export.
func (d *Device) read(p []byte, off int64) error {
	unit := d.block()
	start, end := off/unit*unit, roundUp(off+int64(len(p)), unit)
	if len(p) == 0 {
		return nil
	}
	if start == off && end == off+int64(len(p)) {
		return d.readBlocks(p, off)
	}
	b := make([]byte, end-start)
	if err := d.readBlocks(b, start); err != nil {
		return err
	}
	copy(p, b[off-start:])
	return nil
}

func (d *Device) readBlocks(p []byte, off int64) error {
	return d.eachPiece(int64(len(p)), func(at, n int64) error {
		return d.do(&request{typ: cmdRead, off: off + at, length: uint32(n), data: p[at : at+n]})
	})
}

// write writes any range inside the export.
func (d *Device) write(p []byte, off int64) error {
	unit := d.block()
	if off%unit == 0 && int64(len(p))%unit == 0 {
		d.edges.RLock()
		defer d.edges.RUnlock()
		return d.writeBlocks(p, off)
	}
	// Blocks that others write to meanwhile must not be put back.
	d.edges.Lock()
	defer d.edges.Unlock()
	start, end := off/unit*unit, roundUp(off+int64(len(p)), unit)
	b := make([]byte, end-start)
	if err := d.readBlocks(b[:unit], start); err != nil {
		return err
	}
	if end-start > unit {
		if err := d.readBlocks(b[len(b)-int(unit):], end-unit); err != nil {
			return err
		}
	}
	copy(b[off-start:], p)
	return d.writeBlocks(b, start)
}

func (d *Device) writeBlocks(p []byte, off int64) error {
	return d.eachPiece(int64(len(p)), func(at, n int64) error {
		return d.change(&request{typ: cmdWrite, flags: d.fua(), off: off + at, length: uint32(n), data: p[at : at+n]})
	})
}

// zero zeroes any range inside the export.
func (d *Device) zero(off, n int64) error {
	unit := d.block()
	start, end := roundUp(off, unit), (off+n)/unit*unit
	if !d.export.can(exportWriteZeroes) || start >= end {
		return d.writeZeros(off, n)
	}
	if err := d.writeZeros(off, start-off); err != nil {
		return err
	}
	err := d.pieces(cmdWriteZeroes, start, end-start)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		return d.writeZeros(start, off+n-start)
	}
	if err != nil {
		return err
	}
	return d.writeZeros(end, off+n-end)
}

// writeZeros zeroes a range by writing.
func (d *Device) writeZeros(off, n int64) error {
	if n <= 0 {
		return nil
	}
	b := make([]byte, min(n, piece))
	for ; n > 0; n, off = n-int64(len(b)), off+int64(len(b)) {
		b = b[:min(n, int64(len(b)))]
		if err := d.write(b, off); err != nil {
			return err
		}
	}
	return nil
}
