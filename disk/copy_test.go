package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// A memory is a disk that knows of extents, which need not be on any boundary, and notes
// what is done to it.
type memory struct {
	extents []Extent
	badRead int64 // offset that cannot be read, if it is not 0
	full    int64 // offset from which on nothing can be written, if it is not 0
	unit    int64 // if it compresses

	mu         sync.Mutex
	b          []byte
	written    int64
	compressed int64
	zeroed     int64
	flushed    bool
	last       int64 // largest offset that was written compressed
}

func (m *memory) Size() int64  { return int64(len(m.b)) }
func (m *memory) Flush() error { m.flushed = true; return nil }
func (m *memory) Close() error { return nil }

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if m.badRead > 0 && off <= m.badRead && m.badRead < off+int64(len(p)) {
		return int(m.badRead - off), unix.EIO
	}
	n := copy(p, m.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full > 0 && off+int64(len(p)) > m.full {
		return 0, unix.ENOSPC
	}
	m.flushed = false
	m.written += int64(len(p))
	return copy(m.b[off:], p), nil
}

func (m *memory) Extents(off, n int64) iter.Seq2[Extent, error] {
	return func(yield func(Extent, error) bool) {
		for _, e := range m.extents {
			start, end := max(e.Start, off), min(e.Start+e.Size, off+n)
			e.Start, e.Size = start, end-start
			if start < end && !yield(e, nil) {
				return
			}
		}
	}
}

// zeroer is a memory with a fast way to write zeros.
type zeroer struct{ *memory }

func (z zeroer) WriteZeroes(off, n int64) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.zeroed += n
	clear(z.b[off : off+n])
	return nil
}

// compressor is a memory that compresses.
type compressor struct{ *memory }

func (c compressor) CompressUnit() int64 { return c.unit }

func (c compressor) WriteCompressed(p []byte, off int64) error {
	end := off + int64(len(p))
	if off%c.unit != 0 || end%c.unit != 0 && end != c.Size() {
		return fmt.Errorf("part of a unit: %d bytes at %d", len(p), off)
	}
	n, err := c.WriteAt(p, off)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.compressed += int64(n)
	if off+(32<<20) < c.last {
		return unix.ESPIPE
	}
	c.last = max(c.last, off)
	return err
}

// scattered returns a disk of random extents, which begin and end anywhere.
func scattered(rng *rand.Rand, size int64) *memory {
	m := &memory{b: make([]byte, size)}
	for off := int64(0); off < size; {
		n := min(1+rng.Int64N([]int64{700, 5000, 300000}[rng.IntN(3)]), size-off)
		e := Extent{Start: off, Size: n, Kind: ExtentKind(rng.IntN(4)), Depth: rng.IntN(2)}
		if e.Kind >= Data && rng.IntN(4) > 0 {
			for i := range n {
				m.b[off+i] = byte(rng.Uint32())
			}
		}
		m.extents = append(m.extents, e)
		off += n
	}
	return m
}

func TestCopy(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	ctx := context.Background()
	for i := range 20 {
		size := 512 * (1 + rng.Int64N(4000))
		src := scattered(rng, size)
		blank := i%2 == 0
		fresh := func(more int64) *memory {
			m := &memory{b: make([]byte, size+more), unit: 64 << 10}
			if !blank {
				for i := range m.b {
					m.b[i] = 0xaa
				}
			}
			return m
		}
		plain, z, comp := fresh(0), zeroer{fresh(4096)}, compressor{fresh(0)}
		dsts := []Device{plain, z, comp}
		for k, d := range dsts {
			var seen int64
			o := CopyOptions{Blank: blank, Progress: func(n int64) { seen += n }, Compress: k == 2 && blank}
			if err := Copy(ctx, d, src, o); err != nil {
				t.Fatalf("%d, to %T: %v", i, d, err)
			}
			m := []*memory{plain, z.memory, comp.memory}[k]
			if !bytes.Equal(m.b[:size], src.b) {
				t.Fatalf("%d: a copy to %T differs", i, d)
			}
			if !m.flushed {
				t.Errorf("%d: a copy to %T is not flushed", i, d)
			}
			if seen != size {
				t.Errorf("%d: progress of %d bytes, not %d", i, seen, size)
			}
			if o.Compress && m.compressed != m.written {
				t.Errorf("%d: %d bytes compressed of %d", i, m.compressed, m.written)
			}
			if !blank && k == 1 && m.written+m.zeroed < size {
				t.Errorf("%d: only %d bytes written and %d zeroed of %d", i, m.written, m.zeroed, size)
			}
		}
	}
}

// Of a copy of the top, what is below it stays.
func TestCopyTop(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for i := range 20 {
		size := 512 * (1 + rng.Int64N(4000))
		src := scattered(rng, size)
		base := &memory{b: make([]byte, size)}
		for _, e := range src.extents {
			if e.Kind == Hole || e.Depth != 0 {
				copy(base.b[e.Start:], src.b[e.Start:e.Start+e.Size])
			} else {
				for i := range e.Size {
					base.b[e.Start+i] = 0x55
				}
			}
		}
		if err := Copy(context.Background(), base, src, CopyOptions{Top: true}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(base.b, src.b) {
			t.Fatalf("%d: differs", i)
		}
	}
}

// Nothing is written that need not be.
func TestCopySparse(t *testing.T) {
	const size = 8 << 20
	src := &memory{b: make([]byte, size), extents: []Extent{{Size: size, Kind: Data}}}
	src.b[5<<20+100] = 1
	dst := &memory{b: make([]byte, size)}
	if err := Copy(context.Background(), dst, src, CopyOptions{Blank: true}); err != nil {
		t.Fatal(err)
	}
	if dst.written != copyGrain || !bytes.Equal(dst.b, src.b) {
		t.Errorf("%d bytes written", dst.written)
	}
}

func TestCopyErrors(t *testing.T) {
	const size = 40 << 20
	whole := []Extent{{Size: size, Kind: Data}}
	full := func() *memory { return &memory{b: bytes.Repeat([]byte{7}, size), extents: whole} }
	bad := full()
	bad.badRead = 33<<20 + 5
	canceled, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("nobody waits"))
	ctx := context.Background()
	for name, c := range map[string]struct {
		ctx      context.Context
		dst, src *memory
		o        CopyOptions
		want     string
	}{
		"read":     {ctx, full(), bad, CopyOptions{}, fmt.Sprintf("read at %d: input/output error", bad.badRead)},
		"write":    {ctx, &memory{b: make([]byte, size), full: 20 << 20}, full(), CopyOptions{}, "no space left on device"},
		"small":    {ctx, &memory{b: make([]byte, 512)}, full(), CopyOptions{}, "does not fit"},
		"canceled": {canceled, full(), full(), CopyOptions{}, "nobody waits"},
		"compress": {ctx, full(), full(), CopyOptions{Compress: true, Blank: true}, "no compression"},
	} {
		err := Copy(c.ctx, c.dst, c.src, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// What an image has from below, and another disk has not, is written into it.
func TestKeep(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for i := range 20 {
		m := scattered(rng, 512*(1+rng.Int64N(4000)))
		want := bytes.Clone(m.b)
		below := &memory{b: make([]byte, 512*rng.Int64N(4000))}
		below.extents = []Extent{{Size: below.Size(), Kind: Data}}
		copy(below.b, m.b)
		for range 5 {
			if len(below.b) > 0 {
				below.b[rng.IntN(len(below.b))]++
			}
		}
		// Where nothing is written, the image now reads as what is below it.
		stored := &noted{memory: m, has: make([]bool, m.Size())}
		if err := Keep(context.Background(), stored, below, nil); err != nil {
			t.Fatal(err)
		}
		for _, e := range m.extents {
			for off := e.Start; off < e.Start+e.Size; off++ {
				got := byte(0)
				switch {
				case stored.has[off] || e.Kind != Hole && e.Depth == 0:
					got = m.b[off]
				case off < below.Size():
					got = below.b[off]
				}
				if got != want[off] {
					t.Fatalf("%d: byte %d differs", i, off)
				}
			}
		}
		if n := m.written; n > 5*512*2+max(0, m.Size()-below.Size()) {
			t.Errorf("%d: %d bytes written", i, n)
		}
	}
}

// noted notes what is written.
type noted struct {
	*memory
	has []bool
}

func (n *noted) WriteAt(p []byte, off int64) (int, error) {
	for i := range p {
		n.has[off+int64(i)] = true
	}
	return n.memory.WriteAt(p, off)
}

// starter notes when it is to begin to write, and when to make stable.
type starter struct {
	Device
	started, late atomic.Int32
	flushed       atomic.Bool
}

func (s *starter) StartWriting() {
	s.started.Add(1)
	if s.flushed.Load() {
		s.late.Add(1)
	}
}

func (s *starter) Flush() error {
	s.flushed.Store(true)
	return s.Device.Flush()
}

// The host begins to write while a copy is made, not at its end only.
func TestCopyStarts(t *testing.T) {
	const size = 64 << 20
	src := &memory{b: bytes.Repeat([]byte{7}, size), extents: []Extent{{Size: size, Kind: Data}}}
	dst := &starter{Device: &memory{b: make([]byte, size)}}
	if err := Copy(context.Background(), dst, src, CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if dst.started.Load() == 0 || dst.late.Load() != 0 || !dst.flushed.Load() {
		t.Errorf("begun %d times, %d of them after the end", dst.started.Load(), dst.late.Load())
	}
}

// A copy that begins somewhere leaves alone what is before that, and deals with all the rest.
func TestCopyFrom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		src := scattered(rng, 3<<20)
		start := rng.Int64N(src.Size()/copyGrain+1) * copyGrain
		dst := &memory{b: bytes.Repeat([]byte{0xee}, len(src.b))}
		dealt := int64(0)
		if err := Copy(t.Context(), dst, src, CopyOptions{Start: start, Progress: func(n int64) {
			dealt += n
			if at := start + dealt; !bytes.Equal(dst.b[start:at], src.b[start:at]) {
				t.Errorf("from %d: not all before %d has been written", start, at)
			}
		}}); err != nil {
			t.Fatal(err)
		}
		if dealt != src.Size()-start || !bytes.Equal(dst.b[start:], src.b[start:]) || !bytes.Equal(dst.b[:start], bytes.Repeat([]byte{0xee}, int(start))) {
			t.Errorf("from %d: %d bytes dealt with, or others than those after it", start, dealt)
		}
	}
	src := &memory{b: make([]byte, 1<<20)}
	for _, start := range []int64{-copyGrain, 512, 1<<20 + copyGrain} {
		if err := Copy(t.Context(), &memory{b: make([]byte, 1<<20)}, src, CopyOptions{Start: start}); err == nil {
			t.Errorf("it begins at %d", start)
		}
	}
}
