package lzop

import "io"

// A reader reads all members of a file as one.
type reader struct {
	r    io.Reader
	h    *Header // nil between members
	rest []byte  // of a block
	err  error
}

// NewReader returns a reader of what is compressed in r. It reads no more of r than the members.
func NewReader(r io.Reader) (io.Reader, error) {
	z := &reader{r: r}
	var err error
	if z.h, err = ReadHeader(r); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return z, err
}

func (z *reader) Read(p []byte) (int, error) {
	for len(z.rest) == 0 && z.err == nil {
		z.err = z.next()
	}
	if len(z.rest) == 0 {
		return 0, z.err
	}
	n := copy(p, z.rest)
	z.rest = z.rest[n:]
	return n, nil
}

// next reads a header, or a block.
func (z *reader) next() (err error) {
	if z.h == nil {
		z.h, err = ReadHeader(z.r)
		return err
	}
	k, err := z.h.ReadBlock(z.r)
	if err != nil {
		return err
	}
	if k.Size == 0 {
		z.h = nil
		return nil
	}
	rest, err := k.Read(z.r)
	if err == nil {
		z.rest = rest
	}
	return err
}
