// Package compression names the compressions that images, archives and guests have, and
// opens them with bounds: what a stream asks for in memory is limited, whoever wrote it.
//
// The names are those of the programs: gzip, bzip2, xz, zstd and lzop, and "" for none. bzip2
// and lzop are only read.
package compression

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	unxz "github.com/therootcompany/xz"
	"github.com/ulikunitz/xz"

	"github.com/unboot/unboot/internal/compression/lzop"
)

// ErrUnknown is the error of a compression that this package does not have.
var ErrUnknown = errors.New("unknown compression")

// maxWindow bounds the memory to decompress with, in bytes.
const maxWindow = 128 << 20

// magics are what compressed streams begin with.
var magics = []struct{ magic, name string }{
	{"\x1f\x8b", "gzip"}, {"BZh", "bzip2"}, {"\xfd7zXZ\x00", "xz"}, {"\x28\xb5\x2f\xfd", "zstd"},
	{lzop.Magic[:6], "lzop"},
}

// Detect returns the name of the compression that the start of a stream shows, or "". Six
// bytes are enough.
func Detect(head []byte) string {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return m.name
		}
	}
	return ""
}

// NewReader returns a reader of what is compressed in r, of which it may read more than it
// needs. Streams that follow one another are read as one, as the programs do.
func NewReader(name string, r io.Reader) (io.Reader, error) {
	r = bufio.NewReaderSize(r, 256<<10)
	switch name {
	case "":
		return r, nil
	case "gzip":
		return gzip.NewReader(r)
	case "bzip2":
		return bzip2.NewReader(r), nil
	case "xz":
		// The package that writes has no bound on the memory that a stream can ask for.
		return unxz.NewReader(r, maxWindow)
	case "zstd":
		return zstd.NewReader(r, zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderConcurrency(1))
	case "lzop":
		return lzop.NewReader(r)
	}
	return nil, ErrUnknown
}

// NewWriter returns a writer that compresses to w, at a level from 1 to 9, or at the
// program's default for 0. It has to be closed, which does not close w.
func NewWriter(name string, level int, w io.Writer) (io.WriteCloser, error) {
	switch name {
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
	return nil, ErrUnknown
}

// xzDictionary returns the size in bytes of the dictionary that xz(1) has at a level. More
// than 8 MiB is memory that a program which serves many should not take.
func xzDictionary(level int) int {
	sizes := []int{8 << 20, 1 << 20, 2 << 20, 4 << 20, 4 << 20}
	if level < len(sizes) {
		return sizes[level]
	}
	return sizes[0]
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
