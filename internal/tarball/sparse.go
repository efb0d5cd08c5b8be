package tarball

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// gnuSparse reads the map of old GNU tar: 4 segments in the header, 21 in each
// block that follows.
func (r *Reader) gnuSparse(h *Header) error {
	size, err := number(r.block[offGNURealsize : offGNURealsize+12])
	if err != nil {
		return err
	}
	h.Sparse = true
	done := false
	add := func(b []byte) error {
		for ; len(b) >= 24 && !done; b = b[24:] {
			if b[0] == 0 {
				done = true // the rest is unused
				break
			}
			off, err := number(b[:12])
			if err != nil {
				return err
			}
			n, err := number(b[12:24])
			if err != nil {
				return err
			}
			if len(h.Data) == maxSegments {
				return errMap
			}
			h.Data = append(h.Data, Segment{off, n})
		}
		return nil
	}
	if err := add(r.block[offGNUSparse : offGNUSparse+4*24]); err != nil {
		return err
	}
	more := r.block[offGNUExtended] != 0
	for more {
		if err := r.readBlock(); err != nil {
			return unexpected(err)
		}
		done = false
		if err := add(r.block[:21*24]); err != nil {
			return err
		}
		more = r.block[offGNUMoreSparse] != 0
	}
	h.Size = size
	return nil
}

// sparse10 reads the map of format 1.0 from the front of the data.
func (r *Reader) sparse10(h *Header) error {
	var rest []byte
	next := func() (int64, error) {
		for {
			if i := bytes.IndexByte(rest, '\n'); i >= 0 {
				v, err := strconv.ParseUint(string(rest[:i]), 10, 63)
				if err != nil {
					return 0, fmt.Errorf("%w: the map of a sparse file: %q", ErrHeader, rest[:i])
				}
				rest = rest[i+1:]
				return int64(v), nil
			}
			if len(rest) > 32 || r.left < blockSize {
				return 0, errMap
			}
			if err := r.readBlock(); err != nil {
				return 0, unexpected(err)
			}
			r.left -= blockSize
			rest = append(rest, r.block[:]...)
		}
	}
	count, err := next()
	if err != nil {
		return err
	}
	if count > maxSegments {
		return errMap
	}
	h.Sparse = true
	for range count {
		off, err := next()
		if err != nil {
			return err
		}
		n, err := next()
		if err != nil {
			return err
		}
		h.Data = append(h.Data, Segment{off, n})
	}
	return nil
}

var errMap = fmt.Errorf("%w: the map of a sparse file", ErrHeader)

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
