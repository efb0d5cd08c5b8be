package vmlinux

import (
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A source is the embedded image.
//
// It is stored as it is. Every process that boots a kernel makes a file of it,
// and a short command is to take some milliseconds as a whole: copying takes 2,
// decompressing s2 on two processors 7 and zstd 11.
type source struct {
	file fs.File
	r    io.ReaderAt
	size int64
}

func open(name string) (*source, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, ErrMissing
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return &source{file: f, r: f.(io.ReaderAt), size: info.Size()}, nil
}

const copySize = 64 << 10

// copyTo writes the image to fd, an empty file.
func (s *source) copyTo(fd int) error {
	// Page faults are what costs most, on nested virtual machines above
	// all: the best is to touch neither the image nor fresh memory.
	if data, ok := embeddedString(s.file); ok {
		if exe, off, ok := place(data); ok {
			defer exe.Close()
			if sendfile(fd, exe, off, s.size) == nil {
				return nil
			}
		}
	}
	buf := make([]byte, copySize)
	for done := int64(0); done < s.size; done += int64(len(buf)) {
		buf = buf[:min(copySize, s.size-done)]
		if n, err := s.r.ReadAt(buf, done); n < len(buf) {
			return err
		}
		if err := pwriteAll(fd, buf, done); err != nil {
			return err
		}
	}
	return nil
}

func pwriteAll(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}
