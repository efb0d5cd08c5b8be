package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/compression"
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
	z, err := compression.NewWriter(typ, level, w)
	if errors.Is(err, compression.ErrUnknown) {
		err = unknownCompression(typ)
	}
	return z, err
}

// decompressor returns a reader of what is compressed in r.
func decompressor(typ string, r io.Reader) (io.Reader, error) {
	z, err := compression.NewReader(typ, r)
	if errors.Is(err, compression.ErrUnknown) {
		err = unknownCompression(typ)
	}
	return z, err
}

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
	if _, err := h.writeTo(ctx, z, 0, -1); err != nil {
		return perror(err, "%s", name)
	}
	if err := z.Close(); err != nil {
		return err
	}
	return w.Flush()
}
