package hive

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// chunkSize is how much is read at a time, in bytes. Records that belong together mostly
// lie near each other, so that one read brings several of them.
const chunkSize = 64 << 10

// A source is the bytes of a hive: all of them, or those that were needed so far.
type source struct {
	data []byte // all, if r is nil

	r      io.ReaderAt
	length int64
	chunks []atomic.Pointer[[]byte] // nil until they are read
	mu     sync.Mutex               // while one is read
}

func newSource(r io.ReaderAt, size int64) source {
	return source{
		r:      r,
		length: size,
		chunks: make([]atomic.Pointer[[]byte], (size+chunkSize-1)/chunkSize),
	}
}

func (s *source) size() int64 {
	if s.r != nil {
		return s.length
	}
	return int64(len(s.data))
}

// cut leaves out what follows an offset.
func (s *source) cut(size int64) {
	if s.r != nil {
		s.length = size
	} else {
		s.data = s.data[:size]
	}
}

// view returns n bytes at an offset of the file. They are the hive's own if it is open
// for writing, and otherwise must not be changed.
//
// Preconditions: they are inside the file.
func (s *source) view(off, n int64) ([]byte, error) {
	if s.r == nil {
		return s.data[off : off+n : off+n], nil
	}
	chunk, err := s.chunk(off / chunkSize)
	if err != nil {
		return nil, err
	}
	begin := off % chunkSize
	if begin+n <= int64(len(chunk)) {
		return chunk[begin : begin+n : begin+n], nil
	}
	b := append(make([]byte, 0, n), chunk[begin:]...)
	for int64(len(b)) < n {
		if chunk, err = s.chunk((off + int64(len(b))) / chunkSize); err != nil {
			return nil, err
		}
		b = append(b, chunk[:min(int64(len(chunk)), n-int64(len(b)))]...)
	}
	return b, nil
}

// chunk returns one of the pieces of the file, which may be longer than the hive.
func (s *source) chunk(i int64) ([]byte, error) {
	if p := s.chunks[i].Load(); p != nil {
		return *p, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.chunks[i].Load(); p != nil {
		return *p, nil
	}
	b := make([]byte, min(chunkSize, s.length-i*chunkSize))
	if err := s.read(b, i*chunkSize); err != nil {
		return nil, err
	}
	s.chunks[i].Store(&b)
	return b, nil
}

func (s *source) read(b []byte, off int64) error {
	n, err := s.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read hive at offset %#x: %w", off+int64(n), err)
}

// loadAll reads the whole hive, and lets go of the reader.
func (s *source) loadAll() error {
	if s.r == nil {
		return nil
	}
	b := make([]byte, s.length)
	if err := s.read(b, 0); err != nil {
		return err
	}
	s.data, s.r, s.chunks = b, nil, nil
	return nil
}
