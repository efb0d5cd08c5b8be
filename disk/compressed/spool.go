package compressed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/nonzero"
)

// A spooled image is one that was decompressed to a file. It has what a raw disk has: its
// extents, and the file.
type spooled struct {
	*disk.Raw
	packed disk.Device
	path   string
}

// spool decompresses an image to a file without a name.
func (k Kind) spool(d disk.Device, path string) (disk.Device, error) {
	r, err := k.reader(d)
	if err != nil {
		return nil, damage.Errorf("%v", err)
	}
	dir := os.TempDir()
	f, err := temporary(dir)
	if err != nil {
		return nil, fmt.Errorf("a temporary file to decompress to: %w", err)
	}
	defer f.Close()
	n, err := copySparse(f, r)
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EFBIG), errors.Is(err, syscall.EDQUOT):
		return nil, fmt.Errorf("%w: %s is full after %d bytes; set TMPDIR to a directory with more room, or decompress it yourself: %w", ErrSpace, dir, n, err)
	case err != nil:
		return nil, damage.Errorf("after %d bytes: %v", n, err)
	}
	raw, err := disk.OpenRaw(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), disk.Options{AnyFormat: true})
	if err != nil {
		return nil, err
	}
	return &spooled{raw, d, path}, nil
}

// temporary makes a file that is gone when it is closed.
func temporary(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), dir), nil
	}
	// Not all file systems have such files.
	f, err := os.CreateTemp(dir, "unboot-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}

// copySparse writes what is not zeros, and returns how much there is in all.
func copySparse(f *os.File, r io.Reader) (size int64, err error) {
	b := make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(r, b)
		end := errors.Is(err, io.EOF) || err == io.ErrUnexpectedEOF && n > 0 && ended(r)
		if err != nil && !end {
			return size, err
		}
		if nonzero.In(b[:n]) {
			if _, err := f.WriteAt(b[:n], size); err != nil {
				return size, err
			}
		}
		if size += int64(n); end {
			return size, f.Truncate(size)
		}
	}
}

// ended reports whether a reader is at its end, and not cut off, which io.ReadFull does not
// tell apart.
func ended(r io.Reader) bool {
	_, err := r.Read(make([]byte, 1))
	return err == io.EOF
}

// Path returns the path of the image.
func (s *spooled) Path() string { return s.path }

// WriteAt fails with EROFS.
func (s *spooled) WriteAt([]byte, int64) (int, error) {
	return 0, &os.PathError{Op: "write", Path: s.path, Err: syscall.EROFS}
}

// Flush does nothing, as there is nothing that was written.
func (s *spooled) Flush() error { return nil }

// Lock does nothing: nobody else has the file.
func (s *spooled) Lock() error { return nil }

// Close closes the image, and gives back the room.
func (s *spooled) Close() error { return errors.Join(s.Raw.Close(), s.packed.Close()) }
