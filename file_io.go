package unboot

import (
	"errors"
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Read reads from the file's offset.
func (f *File) Read(p []byte) (int, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	off, err := f.offsetLocked()
	if err != nil {
		return 0, f.pathError("read", err)
	}
	n, err := f.readAt("read", p, off)
	f.pos += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// ReadAt reads at an offset, as io.ReaderAt.
func (f *File) ReadAt(p []byte, off int64) (int, error) { return f.readAt("readat", p, off) }

func (f *File) readAt(op string, p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, f.call(op, func(int) error { return nil })
	}
	err = f.call(op, func(fd int) error {
		if off < 0 {
			return unix.EINVAL
		}
		n, err = f.fs.view.Pread(fd, p, off)
		if n = max(n, 0); err == nil && n < len(p) {
			err = io.EOF
		}
		return err
	})
	return n, err
}

// Write writes at the file's offset, or at the end if it was opened with
// os.O_APPEND.
func (f *File) Write(p []byte) (int, error) {
	f.posMu.Lock()
	defer f.posMu.Unlock()
	n, err := f.pwrite(p, f.pos)
	switch {
	case !f.append:
		f.pos += int64(n)
	case n > 0:
		f.appended = true
	}
	return n, f.pathError("write", err)
}

// pwrite writes at an offset, or at the end if the file was opened with
// os.O_APPEND.
func (f *File) pwrite(p []byte, off int64) (n int, err error) {
	if len(p) == 0 {
		return 0, f.do(func(int) error { return nil })
	}
	err = f.do(func(fd int) error {
		if f.append {
			n, err = f.fs.view.Write(fd, p)
		} else {
			n, err = f.fs.view.Pwrite(fd, p, off)
		}
		return noShortWrite(err)
	})
	return max(n, 0), err
}

// noShortWrite turns the error of a write that makes no progress into what the
// kernel would have said, had it been asked once more.
func noShortWrite(err error) error {
	if errors.Is(err, io.ErrShortWrite) {
		return unix.ENOSPC
	}
	return err
}

// WriteString is Write of a string.
func (f *File) WriteString(s string) (int, error) { return f.Write([]byte(s)) }

// WriteAt writes at an offset, as io.WriterAt. It is an error for a file that was
// opened with os.O_APPEND.
func (f *File) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.call("writeat", func(fd int) error {
		switch {
		case f.append:
			return errAppend
		case off < 0:
			return unix.EINVAL
		case len(p) == 0:
			return nil
		}
		n, err = f.fs.view.Pwrite(fd, p, off)
		return noShortWrite(err)
	})
	return max(n, 0), err
}

var errAppend = errors.New("WriteAt of a file opened with O_APPEND")

var _ fs.File = (*File)(nil)
