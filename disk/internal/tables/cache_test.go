package tables

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

// memory is a file in memory that grows as it is written to.
type memory struct {
	b      []byte
	writes []int64 // offsets and lengths
	fail   error
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if m.fail != nil {
		return 0, m.fail
	}
	m.writes = append(m.writes, off, int64(len(p)))
	if n := int(off) + len(p); n > len(m.b) {
		m.b = append(m.b, make([]byte, n-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) Size() int64  { return int64(len(m.b)) }
func (m *memory) Flush() error { return nil }
func (m *memory) Close() error { return nil }

// Entries of two files, changed and written back at random, are those of a plain array.
func TestRandom(t *testing.T) {
	c := NewCache(4 * sliceSize)
	r := rand.New(rand.NewPCG(1, 2))
	var files []*File
	var under []*memory
	var want [][]byte
	for range 2 {
		b := make([]byte, 20*sliceSize+1024)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		under = append(under, &memory{b: bytes.Clone(b)})
		want = append(want, b)
		files = append(files, c.File(under[len(under)-1]))
	}
	p := make([]byte, 4)
	for range 20000 {
		i := r.IntN(2)
		f, w := files[i], want[i]
		off := int64(r.IntN(len(w)/8) * 8) // every other entry
		switch r.IntN(20) {
		case 0:
			if err := f.WriteBack(); err != nil {
				t.Fatal(err)
			}
		case 1, 2, 3, 4, 5:
			for j := range p {
				p[j] = byte(r.Uint32())
			}
			copy(w[off:], p)
			if err := f.Write(p, off); err != nil {
				t.Fatal(err)
			}
		default:
			if err := f.Read(p, off); err != nil || !bytes.Equal(p, w[off:off+4]) {
				t.Fatalf("at %d: %x, want %x, %v", off, p, w[off:off+4], err)
			}
		}
		if c.used > 4*sliceSize || c.dirty > 42*sliceSize {
			t.Fatalf("%d bytes, %d dirty", c.used, c.dirty)
		}
	}
	for i, f := range files {
		if err := f.WriteBack(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(under[i].b, want[i]) {
			t.Fatalf("file %d differs", i)
		}
		f.Drop()
	}
	if c.Dirty() != 0 || c.used != 0 || len(c.slices) != 0 || c.lru.Len() != 0 {
		t.Errorf("%d dirty, %d used, %d slices", c.dirty, c.used, len(c.slices))
	}
}

// Changes are written as few writes, and those that failed are written later.
func TestWriteBack(t *testing.T) {
	m := &memory{b: make([]byte, 3000)}
	c := NewCache(1 << 20)
	f := c.File(m)
	for off := int64(400); off < 1600; off += 4 {
		if err := f.Write([]byte("abcd"), off); err != nil {
			t.Fatal(err)
		}
	}
	f.Write([]byte("last"), 8192)
	m.fail = errors.New("full")
	if err := f.WriteBack(); err != m.fail {
		t.Error(err)
	}
	if c.Dirty() != 2*sliceSize {
		t.Errorf("%d dirty", c.Dirty())
	}
	m.fail = nil
	if err := f.WriteBack(); err != nil || c.Dirty() != 0 {
		t.Error(err, c.Dirty())
	}
	if len(m.writes) != 4 || m.writes[0] != 0 || m.writes[1] != 2048 || m.writes[2] != 8192 || m.writes[3] != 512 {
		t.Errorf("writes: %v", m.writes)
	}
	if err := f.Read(make([]byte, 4), 9000); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

func TestConcurrent(t *testing.T) {
	m := &memory{b: bytes.Repeat([]byte{7}, 100*sliceSize)}
	f := NewCache(3 * sliceSize).File(m)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(3, uint64(i)))
			p := make([]byte, 8)
			for range 5000 {
				if err := f.Read(p, int64(r.IntN(100*sliceSize/8)*8)); err != nil || p[3] != 7 {
					t.Error(p, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestBlocks(t *testing.T) {
	c := NewBlocks(100)
	loads := 0
	get := func(key int) {
		b, err := c.Get(key, 40, func() ([]byte, error) { loads++; return []byte{byte(key)}, nil })
		if err != nil || b[0] != byte(key) {
			t.Error(b, err)
		}
	}
	for _, key := range []int{1, 2, 1, 3, 1, 2} {
		get(key)
	}
	if loads != 4 || c.used != 80 {
		t.Errorf("%d loads, %d bytes", loads, c.used)
	}
	if _, err := c.Get(9, 10, func() ([]byte, error) { return nil, io.EOF }); err != io.EOF || c.entries[9] != nil {
		t.Error(err)
	}
}
