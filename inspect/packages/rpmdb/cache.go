package rpmdb

import "io"

// The cache keeps some pieces of a file: pages are small, mostly follow each other, and
// each read may be a round trip.
const (
	pieceSize = 128 << 10
	pieces    = 32
)

type cache struct {
	r    io.ReaderAt
	size int64
	held [pieces]struct {
		at   int64 // index of the piece, plus 1; 0 for none
		data []byte
	}
}

func newCache(r io.ReaderAt, size int64) *cache { return &cache{r: r, size: size} }

// read fills p from an offset. All of it must be in the file.
func (c *cache) read(p []byte, off int64) error {
	if off < 0 || int64(len(p)) > c.size || off > c.size-int64(len(p)) {
		return corrupt("%d bytes at %d are beyond the end", len(p), off)
	}
	if len(p) >= pieceSize {
		n, err := c.r.ReadAt(p, off)
		if n == len(p) {
			return nil
		}
		return unexpected(err)
	}
	for len(p) > 0 {
		data, err := c.piece(off / pieceSize)
		if err != nil {
			return err
		}
		skip := int(off % pieceSize)
		if skip >= len(data) {
			return io.ErrUnexpectedEOF
		}
		n := copy(p, data[skip:])
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (c *cache) piece(i int64) ([]byte, error) {
	h := &c.held[i%pieces]
	if h.at == i+1 {
		return h.data, nil
	}
	if h.data == nil {
		h.data = make([]byte, min(pieceSize, c.size))
	}
	h.at = 0
	data := h.data[:min(int64(cap(h.data)), c.size-i*pieceSize)]
	if n, err := c.r.ReadAt(data, i*pieceSize); n < len(data) {
		return nil, unexpected(err)
	}
	h.at, h.data = i+1, data
	return data, nil
}

// unexpected makes an error of the end of a file that came too early.
func unexpected(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
