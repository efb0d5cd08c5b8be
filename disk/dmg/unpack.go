package dmg

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/unboot/unboot/disk/internal/lzfse"
	"github.com/unboot/unboot/internal/compression"
	"github.com/unboot/unboot/internal/compression/inflate"
)

// unpack decompresses all of a run.
func (m *Image) unpack(p []byte, r *run) error {
	in := make([]byte, r.packed)
	if err := damage.ReadFull(m.File, in, r.at, "run"); err != nil {
		return err
	}
	n, err := decompress(p, in, r.kind)
	if err != nil {
		return damage.Errorf("the run of %d bytes at %d does not decompress: %v", r.packed, r.at, err)
	}
	if n < len(p) {
		return damage.Errorf("the run of %d bytes at %d decompresses to %d bytes, and not %d", r.packed, r.at, n, len(p))
	}
	return nil
}

// decompress fills p, and returns how much there is for that.
func decompress(p, in []byte, kind uint32) (n int, err error) {
	var r io.Reader
	switch kind {
	case runADC:
		return adc(p, in)
	case runLZFSE:
		return lzfse.Decode(p, in)
	case runZlib:
		if n, err = inflate.Zlib(p, in); errors.Is(err, inflate.ErrShort) || errors.Is(err, inflate.ErrLong) {
			err = nil
		}
		return n, err
	case runBzip2:
		r = bzip2.NewReader(bytes.NewReader(in))
	case runLZMA:
		r, err = compression.NewReader("xz", bytes.NewReader(in))
	default:
		return 0, fmt.Errorf("it is of the kind %#x, which is not known", kind)
	}
	if err != nil {
		return 0, err
	}
	n, err = io.ReadFull(r, p)
	if err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			err = nil
		}
		return n, err
	}
	// The checksum follows the last byte.
	if _, err := r.Read(make([]byte, 1)); err != nil && err != io.EOF {
		return 0, err
	}
	return n, nil
}

// adc decompresses Apple Data Compression: literals, and matches that are up to 64 KiB back.
func adc(p, in []byte) (int, error) {
	out := p[:0]
	for len(out) < len(p) && len(in) > 0 {
		op := int(in[0])
		size, n, back := 1, 0, 0
		switch {
		case op&0x80 != 0: // literals
			n = op&0x7f + 1
			if n >= len(in) {
				n = len(in) - 1
			}
			out = append(out, in[1:][:min(n, len(p)-len(out))]...)
			in = in[1+n:]
			continue
		case op&0x40 != 0:
			size, n = 3, op&0x3f+4
		default:
			size, n = 2, op>>2&0xf+3
		}
		if len(in) < size {
			break
		}
		if size == 3 {
			back = int(in[1])<<8 | int(in[2])
		} else {
			back = op&3<<8 | int(in[1])
		}
		if back >= len(out) {
			return len(out), fmt.Errorf("a match is %d bytes back, of %d", back+1, len(out))
		}
		for range min(n, len(p)-len(out)) {
			out = append(out, out[len(out)-back-1])
		}
		in = in[size:]
	}
	return len(out), nil
}
