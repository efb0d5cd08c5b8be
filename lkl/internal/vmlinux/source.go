package vmlinux

import (
	"io"
	"io/fs"

	"golang.org/x/sys/unix"
)

// A source is an embedded program.
//
// The kernel is stored as it is. A short command is to take some milliseconds
// as a whole, and to decompress it takes 7 on two processors (s2) or 11 (zstd).
type source struct {
	file  fs.File
	r     io.ReaderAt
	start int64 // what is before it is padding
	size  int64
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
	s := &source{file: f, r: f.(io.ReaderAt), size: info.Size()}
	return s, s.skipPadding()
}

// skipPadding moves the start to the first byte that is not zero.
func (s *source) skipPadding() error {
	var head [MaxPadding + 1]byte
	n, err := s.r.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return err
	}
	pad := Padding(head[:n])
	s.start += pad
	s.size -= pad
	return nil
}

// MaxPadding is the most that an image is moved by.
const MaxPadding = 4095

// Padding returns how many zeroes an image begins with.
func Padding(b []byte) int64 {
	for i, c := range b[:min(len(b), MaxPadding+1)] {
		if c != 0 {
			return int64(i)
		}
	}
	return 0
}

const copySize = 64 << 10

// copyTo writes the program to fd, an empty file.
func (s *source) copyTo(fd int) error {
	buf := make([]byte, min(copySize, s.size))
	for done := int64(0); done < s.size; done += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), s.size-done)]
		if n, err := s.r.ReadAt(buf, s.start+done); n < len(buf) {
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
