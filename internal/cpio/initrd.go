package cpio

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"github.com/klauspost/compress/gzip"

	"github.com/unboot/unboot/internal/compression"
)

// ReadInitrd calls do with the members of an initrd, and with the content of each, until it
// returns an error, which ReadInitrd returns as it is. An initrd is one archive or several,
// with zeros between them, of which the last may be compressed.
func ReadInitrd(ctx context.Context, r io.Reader, do func(*Member, io.Reader) error) error {
	return readArchives(ctx, bufio.NewReaderSize(r, 256<<10), do, true)
}

func readArchives(ctx context.Context, r *bufio.Reader, do func(*Member, io.Reader) error, outer bool) error {
	for archives := 0; ; archives++ {
		if err := skipZeros(r); err == io.EOF && archives > 0 {
			return nil
		} else if err == io.EOF {
			return ErrFormat
		} else if err != nil {
			return err
		}
		magic, _ := r.Peek(6)
		if string(magic) != magicNewc && string(magic) != magicCRC {
			if !outer {
				return ErrFormat
			}
			// A compressed archive is the last, as nothing else shows where it ends.
			z, err := decompress(magic, r)
			if err != nil {
				return err
			}
			return readArchives(ctx, bufio.NewReaderSize(z, 256<<10), do, false)
		}
		if end, err := readArchive(ctx, &reader{r: r}, do); end || err != nil {
			return err
		}
	}
}

// readArchive reads one archive. It reports whether the input has ended with it, without
// the mark that another archive could follow.
func readArchive(ctx context.Context, c *reader, do func(*Member, io.Reader) error) (end bool, err error) {
	for {
		if ctx.Err() != nil {
			return true, ctx.Err()
		}
		m, err := c.next()
		if err == io.EOF {
			return true, nil
		}
		if m == nil || err != nil {
			return false, err
		}
		left := &io.LimitedReader{R: c, N: m.Size}
		if err := do(m, left); err != nil {
			return true, err
		}
		if err := c.skip(left.N); err != nil {
			return true, ErrFormat
		}
		if err := c.skip(-c.off & 3); err != nil && err != io.EOF {
			return true, err
		}
	}
}

func skipZeros(r *bufio.Reader) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != 0 {
			return r.UnreadByte()
		}
	}
}

// decompress returns a reader of what begins with a magic number.
func decompress(magic []byte, r io.Reader) (io.Reader, error) {
	switch name := compression.Detect(magic); name {
	case "":
	case "gzip":
		// Zeros may follow, which are not another stream.
		z, err := gzip.NewReader(r)
		if err == nil {
			z.Multistream(false)
		}
		return z, err
	default:
		return compression.NewReader(name, r)
	}
	for _, m := range []string{"\x02\x21\x4c\x18", "\x04\x22\x4d\x18", "\x5d\x00\x00"} {
		if bytes.HasPrefix(magic, []byte(m)) {
			return nil, ErrCompression
		}
	}
	return nil, ErrFormat
}
