package ewf

import (
	"hash/adler32"
	"io"
	"sync"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/internal/compression/inflate"
)

// Segment implements [readonly.Layout]. All chunks are called compressed, as each has a
// checksum, which has to be verified.
func (m *Image) Segment(off, n int64) (readonly.Segment, error) {
	chunk := off / m.volume.chunk
	if _, err := m.table(chunk); err != nil {
		return readonly.Segment{}, err
	}
	return readonly.Segment{Size: min(n, m.volume.chunk-off%m.volume.chunk), Kind: disk.Compressed}, nil
}

// Unpack implements [readonly.Layout].
func (m *Image) Unpack(p []byte, off int64) error {
	chunk, in := off/m.volume.chunk, off%m.volume.chunk
	size := min(m.volume.chunk, m.Bytes-off+in)
	if int64(len(p)) == size {
		// All of it: it will not be wanted again soon.
		return m.readChunk(p, chunk)
	}
	b, err := m.chunks.Get(chunk, int(size), func() ([]byte, error) {
		b := make([]byte, size)
		return b, m.readChunk(b, chunk)
	})
	if err == nil {
		copy(p, b[in:])
	}
	return err
}

var inputs = sync.Pool{New: func() any { return new([]byte) }}

// readChunk reads a whole chunk.
func (m *Image) readChunk(p []byte, chunk int64) error {
	t, err := m.table(chunk)
	if err != nil {
		return err
	}
	at, err := m.place(t, chunk)
	if err != nil {
		return err
	}
	// A chunk that does not become smaller is not compressed, or not by much larger.
	if limit := 2*m.volume.chunk + 1024; at.size > limit {
		at.size = limit
	}
	if !at.compressed {
		at.size = min(at.size, m.volume.chunk+4)
	}
	buf := inputs.Get().(*[]byte)
	defer inputs.Put(buf)
	if int64(cap(*buf)) < at.size {
		*buf = make([]byte, at.size)
	}
	in := (*buf)[:at.size]
	if err := damage.ReadFull(t.segment.file, in, at.at, "chunk"); err != nil {
		return err
	}
	if !at.compressed {
		return m.plain(p, in, chunk, at.at)
	}
	if err := m.inflate(p, in); err != nil {
		return damage.Errorf("chunk %d at %d of segment %d does not decompress: %v", chunk, at.at, t.segment.number, err)
	}
	return nil
}

// plain takes a chunk that is not compressed, with its checksum. The last one of a disk may
// have been filled up to the size of the others.
func (m *Image) plain(p, in []byte, chunk, at int64) error {
	if len(in) < len(p)+4 {
		return damage.Errorf("chunk %d at %d has %d bytes, and not %d", chunk, at, len(in), len(p)+4)
	}
	for _, n := range []int{len(in) - 4, len(p)} {
		if adler32.Checksum(in[:n]) == le.Uint32(in[n:]) {
			copy(p, in)
			return nil
		}
	}
	n := len(in) - 4
	return damage.Errorf("chunk %d at %d has the checksum %08x, not %08x", chunk, at, adler32.Checksum(in[:n]), le.Uint32(in[n:]))
}

// inflate decompresses all of p. What may follow, up to the size of a chunk, counts for the
// checksum.
func (m *Image) inflate(p, in []byte) error {
	whole := p
	if int64(len(p)) < m.volume.chunk {
		whole = make([]byte, m.volume.chunk)
	}
	n, err := inflate.Zlib(whole, in)
	if err == nil && n < len(p) {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && len(whole) > len(p) {
		copy(p, whole)
	}
	return err
}
