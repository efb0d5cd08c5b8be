package hive

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// chunkSize is how much is read at a time. The records that belong together lie
// near each other, mostly.
const chunkSize = 64 << 10

// A source is the bytes of a hive, read as they are needed. Memory for all of them
// is set aside, but the system gives only those pages that are written to.
type source struct {
	data   []byte
	r      io.ReaderAt // nil if data has all
	loaded []atomic.Bool
	mu     sync.Mutex // while reading
}

func newSource(r io.ReaderAt, size int64) source {
	return source{
		data:   make([]byte, size),
		r:      r,
		loaded: make([]atomic.Bool, (size+chunkSize-1)/chunkSize),
	}
}

// view returns n bytes at an offset of the file.
//
// Preconditions: they are inside data.
func (s *source) view(off, n int64) ([]byte, error) {
	if s.r != nil && n > 0 {
		for c := off / chunkSize; c <= (off+n-1)/chunkSize; c++ {
			if !s.loaded[c].Load() {
				if err := s.load(c); err != nil {
					return nil, err
				}
			}
		}
	}
	return s.data[off : off+n : off+n], nil
}

func (s *source) load(chunk int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loaded[chunk].Load() {
		return nil
	}
	begin := chunk * chunkSize
	// data may be shorter than the file, whose padding nobody needs.
	buf := s.data[begin:min(begin+chunkSize, int64(len(s.data)))]
	n, err := s.r.ReadAt(buf, begin)
	if n < len(buf) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read hive at offset %#x: %w", begin+int64(n), err)
	}
	s.loaded[chunk].Store(true)
	return nil
}

// loadAll reads what was not read yet, and lets go of the reader.
func (s *source) loadAll() error {
	if _, err := s.view(0, int64(len(s.data))); err != nil {
		return err
	}
	s.r, s.loaded = nil, nil
	return nil
}
