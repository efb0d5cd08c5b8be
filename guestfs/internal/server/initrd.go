package server

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// InitrdList returns the names of the files in an initrd.
func (s *Server) InitrdList(ctx context.Context, a *rpc.InitrdListArgs) ([]string, error) {
	var list lineList
	err := s.initrd(ctx, a.Path, func(m *cpioMember, r io.Reader) error { return list.add([]byte(m.name)) })
	if err != nil {
		return nil, err
	}
	return list.list(), nil
}

// InitrdCat returns a file of an initrd.
func (s *Server) InitrdCat(ctx context.Context, a *rpc.InitrdCatArgs) ([]byte, error) {
	var content []byte
	err := s.initrd(ctx, a.Initrdpath, func(m *cpioMember, r io.Reader) error {
		if m.name != a.Filename || m.mode&unix.S_IFMT != unix.S_IFREG {
			return nil
		}
		if m.size >= protocol.MessageMax-1024 {
			return errorf("%s: file is too large for the protocol", a.Filename)
		}
		content = make([]byte, m.size)
		if _, err := io.ReadFull(r, content); err != nil {
			return err
		}
		return errEnough
	})
	if err == nil && content == nil {
		err = perror(unix.ENOENT, "%s:%s", a.Initrdpath, a.Filename)
	}
	return content, err
}

// initrd calls do with the members of an initrd until it returns an error. An initrd is
// one archive or several, each compressed or not, with zeros between them.
func (s *Server) initrd(ctx context.Context, p string, do func(*cpioMember, io.Reader) error) error {
	h, err := s.openRead(p)
	if err != nil {
		return err
	}
	defer h.close()
	r := bufio.NewReaderSize(h, 256<<10)
	err = readArchives(ctx, r, do, true)
	switch err {
	case nil, errEnough:
		return nil
	}
	return perror(err, "%s", p)
}

func readArchives(ctx context.Context, r *bufio.Reader, do func(*cpioMember, io.Reader) error, outer bool) error {
	for archives := 0; ; archives++ {
		if err := skipZeros(r); err == io.EOF && archives > 0 {
			return nil
		} else if err == io.EOF {
			return errCpio
		} else if err != nil {
			return err
		}
		magic, _ := r.Peek(6)
		if string(magic) != cpioNewc && string(magic) != cpioCRC {
			if !outer {
				return errCpio
			}
			// What is compressed is the last, or nothing says where it ends.
			z, err := initrdDecompressor(magic, r)
			if err != nil {
				return err
			}
			return readArchives(ctx, bufio.NewReaderSize(z, 256<<10), do, false)
		}
		c := &cpioReader{r: r}
		for {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			m, err := c.next()
			if err == io.EOF {
				return nil // without a mark
			}
			if err != nil {
				return err
			}
			if m == nil {
				break
			}
			left := &io.LimitedReader{R: c, N: m.size}
			if err := do(m, left); err != nil {
				return err
			}
			if err := c.skip(left.N); err != nil {
				return errCpio
			}
			if err := c.skip(-c.off & 3); err != nil && err != io.EOF {
				return err
			}
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

// initrdDecompressor returns a reader for what begins with a magic number.
func initrdDecompressor(magic []byte, r io.Reader) (io.Reader, error) {
	is := func(m string) bool { return bytes.HasPrefix(magic, []byte(m)) }
	switch {
	case is("\x1f\x8b"):
		z, err := gzip.NewReader(r)
		if err == nil {
			z.Multistream(false)
		}
		return z, err
	case is("BZh"):
		return bzip2.NewReader(r), nil
	case is("\xfd7zXZ\x00"):
		return newXZ(r)
	case is("\x28\xb5\x2f\xfd"):
		return zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderConcurrency(1))
	case is("\x02\x21\x4c\x18"), is("\x04\x22\x4d\x18"), is("\x89LZO"), is("\x5d\x00\x00"):
		return nil, errorf("it is compressed by lz4, lzo or lzma, which is not available in unboot")
	}
	return nil, errCpio
}
