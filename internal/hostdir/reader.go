package hostdir

import (
	"encoding/binary"
	"fmt"
	"io"
)

// An exchanger is a reader that can write an answer and wait for the next request at once.
type exchanger interface {
	io.Reader
	// Exchange writes answer, and then reads as Read.
	Exchange(answer, p []byte) (n int, err error)
}

// A reader cuts a stream into messages.
type reader struct {
	r     io.Reader
	held  []byte // an answer that goes out with the next read, if r is an exchanger
	buf   []byte
	from  int // what was read and not returned is buf[from:to]
	to    int
	limit int // of a message, in bytes
}

// next returns the next message, which is valid until the next call. The error is io.EOF if
// the stream ends between two messages.
func (r *reader) next() ([]byte, error) {
	if err := r.fill(4); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(r.buf[r.from:])
	if size < headerSize || int64(size) > int64(r.limit) {
		return nil, fmt.Errorf("message of %d bytes is not between %d and %d", size, headerSize, r.limit)
	}
	if err := r.fill(int(size)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	m := r.buf[r.from : r.from+int(size)]
	r.from += int(size)
	return m, nil
}

// fill reads until n bytes are there.
func (r *reader) fill(n int) error {
	if r.from == r.to {
		r.from, r.to = 0, 0
	}
	if r.from+n > len(r.buf) {
		if n > len(r.buf) || len(r.buf) < r.limit {
			grown := make([]byte, max(n, r.limit))
			r.to = copy(grown, r.buf[r.from:r.to])
			r.buf = grown
		} else {
			r.to = copy(r.buf, r.buf[r.from:r.to])
		}
		r.from = 0
	}
	for empty := 0; r.to-r.from < n; {
		m, err := r.read(r.buf[r.to:])
		if m < 0 || m > len(r.buf)-r.to {
			return io.ErrNoProgress
		}
		r.to += m
		switch {
		case r.to-r.from >= n:
			return nil
		case err == io.EOF && r.to > r.from:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty == 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// read reads, and writes what is held before.
func (r *reader) read(p []byte) (int, error) {
	if r.held == nil {
		return r.r.Read(p)
	}
	answer := r.held
	r.held = nil
	return r.r.(exchanger).Exchange(answer, p)
}

// hold takes an answer that is to go out with the next read, if that comes next. The answer
// must stay as it is until then.
func (r *reader) hold(answer []byte) bool {
	if _, ok := r.r.(exchanger); !ok || r.complete() {
		return false
	}
	r.held = answer
	return true
}

// complete reports whether the next message is there.
func (r *reader) complete() bool {
	have := r.to - r.from
	return have >= 4 && have >= int(binary.LittleEndian.Uint32(r.buf[r.from:]))
}
