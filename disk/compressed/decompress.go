package compressed

import (
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/compression"
)

// decompress decompresses a piece.
func (k Kind) decompress(d disk.Device, p *piece) ([]byte, error) {
	var in io.Reader = io.NewSectionReader(d, p.at, p.packed)
	var err error
	switch k {
	case "xz":
		in, err = streamXZ(d, p)
	case "lzop":
		in, err = streamLZOP(d, p)
	}
	if err != nil {
		return nil, err
	}
	r, err := compression.NewReader(string(k), in)
	b := make([]byte, p.size)
	if err == nil {
		_, err = io.ReadFull(r, b)
	}
	if err == nil { // checksums follow
		if _, err = io.CopyN(io.Discard, r, 1); err == io.EOF {
			return b, nil
		} else if err == nil {
			return nil, damage.Errorf("the piece of %d bytes at %d decompresses to more than %d bytes", p.packed, p.at, p.size)
		}
	}
	return nil, damage.Errorf("the piece of %d bytes at %d does not decompress: %v", p.packed, p.at, err)
}
