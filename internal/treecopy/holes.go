package treecopy

import (
	"io"

	"github.com/unboot/unboot"

	"github.com/unboot/unboot/internal/nonzero"
)

// A holeWriter is a file, of an image or of the host, that was empty.
type holeWriter interface {
	io.WriteSeeker
	Truncate(int64) error
}

// fill writes segments to their places in an empty file.
func fill(f holeWriter, r io.Reader, data []unboot.Extent, size int64) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	var buf []byte
	for _, e := range data {
		if _, err := f.Seek(e.Offset, io.SeekStart); err != nil {
			return err
		}
		if buf == nil {
			buf = make([]byte, 1<<20)
		}
		for left := e.Length; left > 0; {
			n, err := io.ReadFull(r, buf[:min(left, int64(len(buf)))])
			if err != nil {
				return noEOF(err)
			}
			if _, err := f.Write(buf[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fillZeros writes all that r has but the blocks of zeros.
func fillZeros(f holeWriter, r io.Reader, size int64) error {
	const block = 4096
	if err := f.Truncate(size); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; {
		n, err := io.ReadFull(r, buf[:min(size-off, int64(len(buf)))])
		if err != nil {
			return noEOF(err)
		}
		for start := 0; start < n; {
			end := start
			for end < n && nonzero.In(buf[end:min(end+block, n)]) {
				end = min(end+block, n)
			}
			if end > start {
				if _, err := f.Seek(off+int64(start), io.SeekStart); err != nil {
					return err
				}
				if _, err := f.Write(buf[start:end]); err != nil {
					return err
				}
			}
			start = end + block // what stopped it is zeros, or the end
		}
		off += int64(n)
	}
	return nil
}
