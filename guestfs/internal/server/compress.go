package server

import (
	"bufio"
	"compress/bzip2"
	"context"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	unxz "github.com/therootcompany/xz"
	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// compressions are the types that programs may name.
var compressions = []string{"compress", "gzip", "bzip2", "xz", "lzop", "lzma", "zstd"}

// unknownCompression returns the error of a type that is not known, or not here.
func unknownCompression(typ string) error {
	if slices.Contains(compressions, typ) {
		return perrorText(unix.ENOTSUP, "compression by %s is not available in unboot", typ)
	}
	return errorf("unknown compression type: %s", typ)
}

// compressor returns a writer that compresses to w, at a level from 1 to 9, or at the
// usual one for 0.
func compressor(typ string, level int, w io.Writer) (io.WriteCloser, error) {
	switch typ {
	case "":
		return nopCloser{w}, nil
	case "gzip":
		if level == 0 {
			level = gzip.DefaultCompression
		}
		return gzip.NewWriterLevel(w, level)
	case "xz":
		return xz.WriterConfig{DictCap: xzDictionary(level), CheckSum: xz.CRC64}.NewWriter(w)
	case "zstd":
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return nil, unknownCompression(typ)
}

// xzDictionary returns the size of the dictionary that xz(1) has at a level. More than
// 8 MiB is memory that a program which serves many should not take.
func xzDictionary(level int) int {
	sizes := []int{8 << 20, 1 << 20, 2 << 20, 4 << 20, 4 << 20}
	if level < len(sizes) {
		return sizes[level]
	}
	return sizes[0]
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// decompressor returns a reader of what is compressed in r.
func decompressor(typ string, r io.Reader) (io.Reader, error) {
	r = bufio.NewReaderSize(r, 256<<10)
	switch typ {
	case "":
		return r, nil
	case "gzip":
		return gzip.NewReader(r)
	case "bzip2":
		return bzip2.NewReader(r), nil
	case "xz":
		return newXZ(r)
	case "zstd":
		return zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderConcurrency(1))
	}
	return nil, unknownCompression(typ)
}

// maxWindow bounds the memory to decompress with.
const maxWindow = 128 << 20

// newXZ returns a reader with a bound on the memory that a stream can ask for, which the
// package that writes has not.
func newXZ(r io.Reader) (io.Reader, error) { return unxz.NewReader(r, maxWindow) }

// CompressOut writes a file, compressed.
func (s *Server) CompressOut(ctx context.Context, a *rpc.CompressOutArgs, out io.Writer) error {
	return s.compressOut(ctx, a.Ctype, a.File, a.Level, out)
}

// CompressDeviceOut writes a device, compressed.
func (s *Server) CompressDeviceOut(ctx context.Context, a *rpc.CompressDeviceOutArgs, out io.Writer) error {
	return s.compressOut(ctx, a.Ctype, a.Device, a.Level, out)
}

func (s *Server) compressOut(ctx context.Context, typ, name string, level rpc.Opt[int], out io.Writer) error {
	if !slices.Contains(compressions, typ) {
		return errorf("unknown compression type")
	}
	if level.Set && (level.Value < 1 || level.Value > 9) {
		return errorf("%s: incorrect value for level parameter", typ)
	}
	h, err := s.openRead(name)
	if err != nil {
		return err
	}
	defer h.close()
	w := bufio.NewWriterSize(out, 256<<10)
	z, err := compressor(typ, level.Or(0), w)
	if err != nil {
		return err
	}
	if _, err := h.writeTo(ctx, &private{w: z}, 0, -1); err != nil {
		return perror(err, "%s", name)
	}
	if err := z.Close(); err != nil {
		return err
	}
	return w.Flush()
}
