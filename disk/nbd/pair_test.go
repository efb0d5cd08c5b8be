package nbd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/disk"
)

// program makes random operations on a device and on bytes, and compares the two.
func program(t *testing.T, d disk.Device, want []byte, seed uint64, ops int) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	size := d.Size()
	zeroer, _ := disk.As[disk.ZeroWriter](d)
	discarder, _ := disk.As[disk.Discarder](d)
	for i := range ops {
		off := r.Int64N(size)
		n := min(1+r.Int64N(1<<(4+r.IntN(18))), size-off)
		var err error
		what := ""
		switch r.IntN(6) {
		case 0, 1:
			what = "write"
			p := make([]byte, n)
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			copy(want[off:], p)
			_, err = d.WriteAt(p, off)
		case 2, 3:
			what = "read"
			p := make([]byte, n)
			if _, err = d.ReadAt(p, off); err == nil && !bytes.Equal(p, want[off:off+n]) {
				t.Fatalf("seed %d, operation %d: other bytes at %d (%d)", seed, i, off, n)
			}
		case 4:
			what = "zero"
			clear(want[off : off+n])
			err = zeroer.WriteZeroes(off, n)
		case 5:
			// What is forgotten may be anything, so it is written afterwards.
			what = "discard"
			if err = discarder.Discard(off, n); err == nil {
				_, err = d.WriteAt(want[off:off+n], off)
			}
			if r.IntN(4) == 0 {
				err = errors.Join(err, d.Flush())
			}
		}
		if err != nil {
			t.Fatalf("seed %d, operation %d: %s %d at %d: %v", seed, i, what, n, off, err)
		}
	}
	got := make([]byte, size)
	if _, err := d.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("seed %d: other bytes at the end: %v", seed, err)
	}
}

// Both halves against each other.
func TestPair(t *testing.T) {
	m := newMemory(5<<20 + 512)
	m.fill(1)
	a := serve(t, &Server{Shares: []Share{{Device: m, Writable: true, Description: "a disk"}}})
	d := open(t, a, Options{Writable: true})
	if d.Size() != 5<<20+512 || d.Export().Description != "a disk" || d.Export().MaxBlock != maxPayload {
		t.Errorf("%+v", d.Export())
	}
	want := m.content()
	program(t, d, want, 1, 500)
	if err := d.Flush(); err != nil || m.flushCount() == 0 || !bytes.Equal(m.content(), want) {
		t.Errorf("%v after %d flushes", err, m.flushes)
	}
}

// The ends of a device, and those of what may be asked for.
func TestEnds(t *testing.T) {
	m := newMemory(1 << 20)
	a := serve(t, &Server{Shares: []Share{{Device: m, Writable: true}}})
	d := open(t, a, Options{Writable: true})
	p := make([]byte, 100)
	for _, c := range []struct {
		off  int64
		n    int
		want error
	}{{1<<20 - 100, 100, nil}, {1<<20 - 50, 50, io.EOF}, {1 << 20, 0, io.EOF}, {1 << 40, 0, io.EOF}, {-1, 0, syscall.EINVAL}} {
		if n, err := d.ReadAt(p, c.off); n != c.n || !errors.Is(err, c.want) {
			t.Errorf("read at %d: %d, %v", c.off, n, err)
		}
	}
	for _, off := range []int64{1<<20 - 50, 1 << 20, 1 << 62} {
		if _, err := d.WriteAt(p, off); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("write at %d: %v", off, err)
		}
		if err := d.WriteZeroes(off, 100); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("zero at %d: %v", off, err)
		}
	}
	if _, err := d.WriteAt(nil, 1<<20); err != nil {
		t.Error(err)
	}
	if err := d.Discard(1, 100); err != nil { // less than nothing, of whole blocks
		t.Error(err)
	}
}

// A device of which only whole blocks can be reached.
type blocks struct{ *memory }

func (blocks) SectorSize() int { return 4096 }

func TestBlocks(t *testing.T) {
	m := newMemory(1<<20 + 1000)
	m.fill(2)
	content := m.content()[:1<<20]
	a := serve(t, &Server{Shares: []Share{{Device: blocks{m}, Writable: true}}})
	d := open(t, a, Options{Writable: true})
	if d.Size() != 1<<20 || d.Export().MinBlock != 4096 {
		t.Errorf("%+v", d.Export())
	}
	program(t, d, content, 2, 300)
}

// What is read-only is written to by nobody, whoever asks.
func TestReadOnly(t *testing.T) {
	m := newMemory(1 << 20)
	a := serve(t, &Server{Shares: []Share{{Device: m}}})
	if _, err := Dial(context.Background(), a, Options{Writable: true}); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	d := open(t, a, Options{})
	if _, err := d.WriteAt(make([]byte, 512), 0); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	// A client that does not care.
	d.writable = true
	for _, err := range []error{
		func() error { _, err := d.WriteAt(make([]byte, 512), 0); return err }(), d.pieces(cmdTrim, 0, 512), d.pieces(cmdWriteZeroes, 0, 512),
	} {
		if !errors.Is(err, syscall.EPERM) {
			t.Error(err)
		}
	}
	d.writable = false
}

// Errors of a device get to the client with their words.
func TestErrors(t *testing.T) {
	m := newMemory(1 << 20)
	m.fail = fmt.Errorf("the disk at the far end is broken: %w", syscall.ENOSPC)
	a := serve(t, &Server{Shares: []Share{{Device: m, Writable: true}}, Log: func(string, error) {}})
	d := open(t, a, Options{Writable: true})
	if _, err := d.ReadAt(make([]byte, 512), 512); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "at the far end is broken") {
		t.Error(err)
	}
	if _, err := d.WriteAt(make([]byte, 512), 512); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := d.Flush(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	m.mu.Lock()
	m.fail = nil
	m.mu.Unlock()
	if _, err := d.ReadAt(make([]byte, 512), 512); err != nil {
		t.Error(err)
	}
}

func TestExtents(t *testing.T) {
	m := newMemory(10 << 20)
	for _, at := range []int64{page, 3 * page, 4 * page, 2000 * page} {
		m.WriteAt([]byte("x"), at)
	}
	a := serve(t, &Server{Shares: []Share{{Device: m}}})
	d := open(t, a, Options{})
	for _, c := range []struct {
		off, n int64
		want   string
	}{
		{0, 10 << 20, "0+4096 hole, 4096+4096 data, 8192+4096 hole, 12288+8192 data, 20480+8171520 hole, 8192000+4096 data, 8196096+2289664 hole, "},
		{5000, 100, "5000+100 data, "},
		{5000, 5000, "5000+3192 data, 8192+1808 hole, "},
		{10<<20 - 1, 1 << 40, "10485759+1 hole, "},
		{10 << 20, 1, ""}, {-1, 10, ""}, {0, 0, ""},
	} {
		got := ""
		for e, err := range d.Extents(c.off, c.n) {
			if err != nil {
				t.Error(err)
			}
			got += fmt.Sprintf("%d+%d %v, ", e.Start, e.Size, e.Kind)
		}
		if got != c.want {
			t.Errorf("%d at %d: %s", c.n, c.off, got)
		}
	}
	for range d.Extents(0, 10<<20) {
		break
	}
}

// Exports are found by their names, and a name that is wrong gets those that there are.
func TestExports(t *testing.T) {
	a := serve(t, &Server{Shares: []Share{
		{Name: "first", Device: newMemory(1 << 20)}, {Name: "größer/2", Device: newMemory(2 << 20), Writable: true, Description: "the second"},
	}})
	for name, size := range map[string]int64{"": 1 << 20, "first": 1 << 20, "größer/2": 2 << 20} {
		a.Export = name
		if d := open(t, a, Options{}); d.Size() != size {
			t.Errorf("%q: %d bytes", name, d.Size())
		}
	}
	a.Export = "third"
	_, err := Dial(context.Background(), a, Options{})
	if !errors.Is(err, ErrExport) || err.Error() != `no such export "third" (there are: "first", "größer/2")` {
		t.Error(err)
	}
	list, err := List(context.Background(), a)
	if err != nil || len(list) != 2 || list[1].Size != 2<<20 || list[1].Description != "the second" || list[1].ReadOnly || !list[0].ReadOnly {
		t.Errorf("%+v, %v", list, err)
	}
}
