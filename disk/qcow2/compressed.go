package qcow2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/unboot/unboot/internal/compression/inflate"
)

// readCompressed reads from the compressed cluster in which off is.
func (m *Image) readCompressed(p []byte, off int64, entry uint64) error {
	key := cacheKey{m, entry}
	if len(p) == m.h.ClusterSize {
		// All of it: it will not be wanted again soon.
		if b := m.caches.clusters.peek(key); b != nil {
			copy(p, b)
			return nil
		}
		return m.decompress(p, off, entry)
	}
	b, err := m.caches.clusters.get(key, m.h.ClusterSize, func() ([]byte, error) {
		b := make([]byte, m.h.ClusterSize)
		return b, m.decompress(b, off, entry)
	})
	if err != nil {
		return err
	}
	copy(p, b[off&int64(m.h.ClusterSize-1):])
	return nil
}

// compressedAt decodes the entry of a compressed cluster. The upper of its bits say
// how many sectors of 512 bytes there are after the one in which the data begins.
func (h *Header) compressedAt(entry uint64) (off, size int64) {
	shift := 62 - (h.clusterBits - 8)
	off = int64(entry & (1<<shift - 1))
	sectors := int64(entry >> shift & (1<<(h.clusterBits-8) - 1))
	return off, (sectors+1)*sectorSize - off%sectorSize
}

// decompress fills p, which is a cluster. The compressed data may be shorter than
// what the entry says, which counts in sectors, and at the end of the file so may be
// what there is to read.
func (m *Image) decompress(p []byte, off int64, entry uint64) error {
	at, size := m.h.compressedAt(entry)
	there := min(size, m.file.Size()-at)
	if there <= 0 {
		return damaged("the compressed cluster for %d is at %d, past the end of the file", off, at)
	}
	buf := inputs.Get().(*[]byte)
	defer inputs.Put(buf)
	if int64(cap(*buf)) < there {
		*buf = make([]byte, there)
	}
	in := (*buf)[:there]
	if n, err := m.file.ReadAt(in, at); n < len(in) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read a compressed cluster: %w", err)
	}
	decompress := inflateDeflate
	if m.h.Compression == "zstd" {
		decompress = inflateZstd
	}
	if err := decompress(p, in); err != nil {
		return damaged("the compressed cluster for %d does not decompress: %v", off, err)
	}
	return nil
}

var inputs = sync.Pool{New: func() any { return new([]byte) }}

// inflateDeflate decompresses what the format calls zlib, which has no zlib header.
func inflateDeflate(p, in []byte) error {
	n, err := inflate.Decompress(p, in)
	if err == nil && n < len(p) {
		err = tooShort(n, p)
	}
	return err
}

// maxWindow bounds what zstd keeps of what it has decompressed, in bytes. A cluster
// needs no more than its own size, rounded up.
const maxWindow = 8 << 20

var zstds = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		// It would decompress small inputs as a whole, whatever that is.
		zstd.WithDecodeBuffersBelow(0))
	if err != nil {
		panic(err) // options that are not allowed
	}
	return d
}}

func inflateZstd(p, in []byte) error {
	d := zstds.Get().(*zstd.Decoder)
	defer zstds.Put(d)
	defer d.Reset(nil) // keeps nothing of the image
	// As a stream, since rubbish may follow, up to the end of the sector.
	if err := d.Reset(bytes.NewReader(in)); err != nil {
		return err
	}
	return fill(p, d)
}

// fill is io.ReadFull for which any end is too early.
func fill(p []byte, r io.Reader) error {
	n, err := io.ReadFull(r, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return tooShort(n, p)
	}
	return err
}

func tooShort(n int, p []byte) error { return fmt.Errorf("it has %d bytes, not %d", n, len(p)) }
