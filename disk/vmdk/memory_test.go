package vmdk

import (
	"bytes"
	"io"

	"github.com/unboot/unboot/disk"
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
	m.log = append(m.log, "write")
	if m.fail != nil {
		return 0, m.fail
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

// newMemory returns an image that was created.
func newMemory(o disk.CreateOptions) *memory {
	m := &memory{}
	if err := Create(m, "image", o); err != nil {
		panic(err)
	}
	return m
}
