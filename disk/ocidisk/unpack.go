package ocidisk

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/unboot/unboot/internal/cause"
	"github.com/unboot/unboot/internal/compression"
	"github.com/unboot/unboot/internal/nonzero"
)

const (
	// maxDisk is how large a disk in a compressed layer may be, in bytes.
	maxDisk = 1 << 40
	// chunk is how much is fetched, and written, at a time.
	chunk = 4 << 20
)

// chunks reads large pieces, as each is a request.
type chunks struct {
	r         io.Reader
	buf, rest []byte
	err       error
}

// Read implements [io.Reader].
func (c *chunks) Read(p []byte) (int, error) {
	if len(c.rest) == 0 && c.err == nil {
		if c.buf == nil {
			c.buf = make([]byte, chunk)
		}
		var n int
		if n, c.err = io.ReadFull(c.r, c.buf); c.err == io.ErrUnexpectedEOF {
			c.err = io.EOF
		}
		c.rest = c.buf[:n]
	}
	if len(c.rest) == 0 {
		return 0, c.err
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// unpack writes the disk in a compressed archive to a file without a name, or returns nil if
// there is none. All of the archive is read.
func (c *client) unpack(ctx context.Context, r io.Reader, how string) (*unpacked, error) {
	plain, err := compression.NewReader(how, r)
	if err != nil {
		return nil, fmt.Errorf("a layer that is not in %s: %w", how, err)
	}
	t := tar.NewReader(plain)
	for range maxEntries {
		h, err := t.Next()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the archive of a layer: %w", err)
		}
		if !c.isDisk(h) {
			continue
		}
		if h.Size > maxDisk {
			return nil, fmt.Errorf("a compressed disk of %d bytes, more than %d", h.Size, int64(maxDisk))
		}
		f, err := os.CreateTemp("", "unboot-oci-")
		if err != nil {
			return nil, err
		}
		os.Remove(f.Name())
		if err = spread(ctx, f, t, h.Size); err == nil {
			_, err = io.Copy(io.Discard, plain)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, r)
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return &unpacked{f, h.Size}, nil
	}
	return nil, errors.New("an archive of too many files")
}

// spread copies to a file, with holes for zeros.
func spread(ctx context.Context, f *os.File, r io.Reader, size int64) error {
	b := make([]byte, 64<<10)
	for off := int64(0); off < size; {
		if ctx.Err() != nil {
			return cause.Of(ctx)
		}
		n, err := io.ReadFull(r, b[:min(int64(len(b)), size-off)])
		if err != nil {
			return err
		}
		if nonzero.In(b[:n]) {
			if _, err := f.WriteAt(b[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
	}
	return f.Truncate(size)
}

// An unpacked is a disk that was unpacked.
type unpacked struct {
	*os.File
	size int64
}

func (l *unpacked) Size() int64                        { return l.size }
func (l *unpacked) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }
func (l *unpacked) Flush() error                       { return nil }
