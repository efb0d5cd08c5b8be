package unboot

import (
	"errors"
	"io"
	"math"

	"golang.org/x/sys/unix"
)

// Seek moves the file's offset, as lseek(2). whence may also be
// unix.SEEK_DATA or unix.SEEK_HOLE.
func (f *File) Seek(offset int64, whence int) (int64, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	if whence == io.SeekCurrent {
		// The kernel's own offset is used for appending only.
		pos, err := f.offsetLocked()
		switch {
		case err != nil:
			return 0, f.pathError("seek", err)
		case offset == 0 && f.dir == nil:
			return pos, f.call("seek", func(int) error { return nil })
		case offset > 0 && pos > math.MaxInt64-offset:
			return 0, f.pathError("seek", unix.EOVERFLOW)
		}
		offset += pos
		whence = io.SeekStart
	}
	if f.dir != nil && offset != 0 {
		return 0, f.pathError("seek", errors.New("a directory can only be rewound"))
	}
	var pos int64
	err := f.call("seek", func(fd int) (err error) {
		pos, err = f.fs.view.Seek(fd, offset, whence)
		return err
	})
	if err != nil {
		return 0, err
	}
	f.pos, f.appended, f.dir = pos, false, nil
	return pos, nil
}

// offset returns the file's offset.
func (f *File) offset() (int64, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	return f.offsetLocked()
}

// offsetLocked is offset. After it, pos is the offset.
//
// Preconditions: posMu is held.
func (f *File) offsetLocked() (int64, error) {
	if !f.appended {
		return f.pos, nil
	}
	err := f.do(func(fd int) (err error) {
		f.pos, err = f.fs.view.Seek(fd, 0, io.SeekCurrent)
		return err
	})
	f.appended = err != nil
	return f.pos, err
}

// step moves the offset to another one. It does nothing, and returns false, if it
// was not where the caller thinks.
func (f *File) step(from, to int64) bool {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	if off, err := f.offsetLocked(); err != nil || off != from {
		return false
	}
	f.pos = to
	return true
}

// advance moves the offset on by n, and returns where it was.
func (f *File) advance(n int64) int64 {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	f.pos += n
	return f.pos - n
}

// noteAppend notes that something was written, which has moved the kernel's offset
// if it was appended.
func (f *File) noteAppend() {
	if f.append {
		f.posMu.Lock()
		f.appended = true
		f.posMu.Unlock()
	}
}
