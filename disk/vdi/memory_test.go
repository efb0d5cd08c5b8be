package vdi

import (
	"bytes"
	"io"
)

// memory is a file in memory that grows as it is written to, up to a bound.
type memory struct {
	b        []byte
	readOnly bool
	fail     error // of flushes and writes
	log      []string
}

func (m *memory) Writable() bool { return !m.readOnly }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.b).ReadAt(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if m.fail != nil {
		return 0, m.fail
	}
	switch {
	case off == 0:
		m.log = append(m.log, "header")
	case off < newAlign:
		m.log = append(m.log, "map")
	default:
		m.log = append(m.log, "data")
	}
	end := off + int64(len(p))
	if end > 64<<20 {
		return 0, io.ErrShortWrite
	}
	if end > int64(len(m.b)) {
		m.b = append(m.b, make([]byte, end-int64(len(m.b)))...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) Size() int64 { return int64(len(m.b)) }

func (m *memory) Flush() error {
	m.log = append(m.log, "flush")
	return m.fail
}

func (m *memory) Close() error { return nil }
