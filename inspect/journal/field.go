package journal

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// Flags of an object.
const (
	objectXZ   = 1 << 0
	objectLZ4  = 1 << 1
	objectZstd = 1 << 2
)

// maxPacked bounds the compressed form of a field, in bytes.
const maxPacked = 64 << 20

// maxWindow bounds the memory of decompression, in bytes.
const maxWindow = 64 << 20

func isCorrupt(err error) bool { return errors.Is(err, errCorrupt) }

// field returns the first bytes of a field.
func (f *File) field(at int64, limit int) ([]byte, error) {
	header := int64(dataPayload)
	if f.compact {
		header = dataPayloadCompact
	}
	b, size, err := f.object(at, typeData, header)
	if err != nil {
		return nil, err
	}
	packing := b[1] & (objectXZ | objectLZ4 | objectZstd)
	if size -= header; packing != 0 && size > maxPacked {
		return nil, errCorrupt
	}
	if packing == 0 {
		size = min(size, int64(limit))
	}
	payload := make([]byte, size)
	if err := f.r.read(payload, at+header); err != nil || packing == 0 {
		return payload, err
	}
	var out []byte
	switch packing {
	case objectLZ4:
		if len(payload) < 8 {
			return nil, errCorrupt
		}
		full := le.Uint64(payload)
		out, err = lz4Block(payload[8:], int(min(full, uint64(limit))))
	case objectXZ:
		var r *xz.Reader
		if r, err = xz.NewReader(bytes.NewReader(payload), maxWindow); err == nil {
			out, err = io.ReadAll(io.LimitReader(r, int64(limit)))
		}
	case objectZstd:
		var r *zstd.Decoder
		r, err = zstd.NewReader(bytes.NewReader(payload), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err == nil {
			out, err = io.ReadAll(io.LimitReader(r, int64(limit)))
			r.Close()
		}
	default:
		return nil, errCorrupt
	}
	if err != nil {
		return nil, errCorrupt
	}
	return out, nil
}

// lz4Block unpacks the first limit bytes of a block in LZ4's format.
func lz4Block(in []byte, limit int) ([]byte, error) {
	var out []byte
	// length reads the rest of a length whose first part fills its four bits.
	length := func(n int) (int, bool) {
		if n < 15 {
			return n, true
		}
		for len(in) > 0 {
			c := in[0]
			in = in[1:]
			if n += int(c); c != 255 {
				return n, true
			}
		}
		return 0, false
	}
	for len(in) > 0 && len(out) < limit {
		token := in[0]
		in = in[1:]
		literals, ok := length(int(token >> 4))
		if !ok || literals > len(in) {
			return nil, errCorrupt
		}
		out = append(out, in[:min(literals, limit-len(out))]...)
		in = in[literals:]
		if len(in) == 0 || len(out) == limit {
			break // the last sequence has no match
		}
		if len(in) < 2 {
			return nil, errCorrupt
		}
		back := int(le.Uint16(in))
		in = in[2:]
		match, ok := length(int(token & 15))
		if !ok || back == 0 || back > len(out) {
			return nil, errCorrupt
		}
		for range min(match+4, limit-len(out)) {
			out = append(out, out[len(out)-back]) // may overlap
		}
	}
	return out, nil
}
