package compressed

import (
	"bytes"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/compression/lzop"
)

// indexLZOP finds the blocks of lzop(1), each of which says how large it is.
func indexLZOP(d disk.Device) (list pieces, err error) {
	r := io.NewSectionReader(d, 0, d.Size())
	var sums uint32
	for first := true; ; first = false {
		h, err := lzop.ReadHeader(r)
		if err == io.EOF {
			return list, nil
		} else if err != nil {
			return nil, err
		}
		if first {
			sums = h.Sums()
		}
		// As with xz, members whose checksums are not of one kind are too rare.
		if h.Sums() != sums {
			return nil, errNoIndex
		}
		for {
			at, _ := r.Seek(0, io.SeekCurrent)
			b, err := h.ReadBlock(r)
			if err != nil {
				return nil, err
			} else if b.Size == 0 {
				break
			}
			end, _ := r.Seek(int64(b.Packed), io.SeekCurrent)
			if end > r.Size() {
				return nil, errNoIndex
			}
			if err := list.add(int64(b.Size), at, end-at); err != nil {
				return nil, err
			}
		}
	}
}

// streamLZOP returns a member of one block, by the header of the first.
func streamLZOP(d disk.Device, p *piece) (io.Reader, error) {
	r := io.NewSectionReader(d, 0, d.Size())
	if _, err := lzop.ReadHeader(r); err != nil {
		return nil, err
	}
	header, _ := r.Seek(0, io.SeekCurrent)
	return io.MultiReader(io.NewSectionReader(d, 0, header), io.NewSectionReader(d, p.at, p.packed),
		bytes.NewReader(make([]byte, 4))), nil
}
