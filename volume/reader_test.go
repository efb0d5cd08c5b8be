package volume

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// device is a member whose sectors are filled with a value of their own.
func device(seed byte, sectors int) *Member {
	b := make([]byte, sectors*SectorSize)
	for i := range b {
		b[i] = seed ^ byte(i/SectorSize*7) ^ byte(i)
	}
	return &Member{R: bytes.NewReader(b), Size: int64(len(b))}
}

func sectors(m *Member, from, n int64) []byte {
	b := make([]byte, n*SectorSize)
	m.R.ReadAt(b, from*SectorSize)
	return b
}

func at(b Base) io.ReaderAt { return b.(*Member).R }

// TestReader reads tables of all targets that it knows, in one piece and in random ones.
func TestReader(t *testing.T) {
	a, b := device(1, 64), device(2, 64)
	table := []Target{
		{Start: 0, Length: 10, Type: "linear", Params: "@ 5", Devices: []Base{a}},
		{Start: 10, Length: 16, Type: "striped", Params: "2 4 @ 0 @ 3", Devices: []Base{a, b}},
		{Start: 26, Length: 2, Type: "zero"},
		{Start: 28, Length: 12, Type: "striped", Params: "1 4 @ 40", Devices: []Base{b}},
	}
	r, ok := NewReader(table, at)
	if !ok {
		t.Fatal("the table is not readable")
	}
	want := bytes.Join([][]byte{
		sectors(a, 5, 10),
		sectors(a, 0, 4), sectors(b, 3, 4), sectors(a, 4, 4), sectors(b, 7, 4),
		make([]byte, 2*SectorSize),
		sectors(b, 40, 12),
	}, nil)
	got := bytes.Repeat([]byte{0xa5}, len(want)+1)
	if n, err := r.ReadAt(got, 0); n != len(want) || err != io.EOF || !bytes.Equal(got[:n], want) {
		t.Fatalf("all of it: %d bytes of %d, %v", n, len(want), err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		off := rnd.IntN(len(want))
		part := make([]byte, rnd.IntN(len(want)-off+1))
		if n, err := r.ReadAt(part, int64(off)); n != len(part) || err != nil || !bytes.Equal(part, want[off:off+n]) {
			t.Fatalf("%d bytes at %d: %d, %v", len(part), off, n, err)
		}
	}
	for _, off := range []int64{int64(len(want)), math.MaxInt64} {
		if n, err := r.ReadAt(got[:1], off); n != 0 || err != io.EOF {
			t.Errorf("at %d: %d, %v; want EOF", off, n, err)
		}
	}
	if _, err := r.ReadAt(got[:1], -1); !errors.Is(err, unix.EINVAL) {
		t.Errorf("at -1: %v", err)
	}
}

// TestReaderErrors holds that what is read before an error counts, and that a device which
// ends early is not the end of the volume.
func TestReaderErrors(t *testing.T) {
	a := device(1, 8)
	b := make([]byte, 8*SectorSize)
	r, ok := NewReader([]Target{
		{Start: 0, Length: 4, Type: "linear", Params: "@ 0", Devices: []Base{a}},
		{Start: 4, Length: 4, Type: "error"},
	}, at)
	if !ok {
		t.Fatal("the table is not readable")
	}
	if n, err := r.ReadAt(b, 0); n != 4*SectorSize || !errors.Is(err, unix.EIO) {
		t.Errorf("over an error target: %d, %v", n, err)
	}
	r, _ = NewReader([]Target{{Length: 9, Type: "linear", Params: "@ 4", Devices: []Base{a}}}, at)
	if n, err := r.ReadAt(b, 0); n != 4*SectorSize || err != io.ErrUnexpectedEOF {
		t.Errorf("over the end of a device: %d, %v", n, err)
	}
}

// TestReaderRefuses holds that tables which it cannot read, or the kernel does not load,
// are refused.
func TestReaderRefuses(t *testing.T) {
	a := device(1, 8)
	one, two := []Base{a}, []Base{a, a}
	for _, table := range [][]Target{
		nil,
		{{Length: 8, Type: "crypt", Params: "aes $ 0 @ 0", Devices: one}},
		{{Start: 1, Length: 8, Type: "zero"}},
		{{Length: 0, Type: "zero"}},
		{{Length: 8, Type: "zero"}, {Start: 9, Length: 8, Type: "zero"}},
		{{Length: 8, Type: "zero"}, {Start: 7, Length: 8, Type: "zero"}},
		{{Length: math.MaxInt64, Type: "zero"}},
		{{Length: math.MaxInt64/512 - 1, Type: "zero"}, {Start: math.MaxInt64/512 - 1, Length: 2, Type: "zero"}},
		{{Length: 8, Type: "linear"}},
		{{Length: 8, Type: "linear", Params: "@", Devices: one}},
		{{Length: 8, Type: "linear", Params: "@ x", Devices: one}},
		{{Length: 8, Type: "linear", Params: "@ -1", Devices: one}},
		{{Length: 8, Type: "linear", Params: "@ 0"}},
		{{Length: 8, Type: "linear", Params: "253:0 0", Devices: one}},
		{{Length: 8, Type: "linear", Params: "@ 0 @ 0", Devices: two}},
		{{Length: 8, Type: "linear", Params: "@ 18014398509481984", Devices: one}},
		{{Length: 8, Type: "striped", Params: "0 4 @ 0", Devices: one}},
		{{Length: 8, Type: "striped", Params: "1 0 @ 0", Devices: one}},
		{{Length: 8, Type: "striped", Params: "2 4 @ 0", Devices: one}},
		{{Length: 8, Type: "striped", Params: "1 4 @ 0 @ 0", Devices: two}},
		{{Length: 9, Type: "striped", Params: "2 4 @ 0 @ 0", Devices: two}},
		{{Length: 8, Type: "striped", Params: "2 3 @ 0 @ 0", Devices: two}},
		{{Length: 8, Type: "striped", Params: "99999999999 4 @ 0", Devices: one}},
	} {
		if _, ok := NewReader(table, at); ok {
			t.Errorf("a reader of %v", table)
		}
	}
	table := []Target{{Length: 8, Type: "linear", Params: "@ 0", Devices: one}}
	if _, ok := NewReader(table, func(Base) io.ReaderAt { return nil }); ok {
		t.Error("a reader of a device that cannot be read")
	}
}

// FuzzReader holds that no parameters make a reader that panics or reads past its end.
func FuzzReader(f *testing.F) {
	f.Add("striped", "2 4 @ 0 @ 3", int64(16), int64(0))
	f.Add("linear", "@ 5", int64(16), int64(100))
	f.Add("zero", "", int64(1), int64(511))
	f.Fuzz(func(t *testing.T, typ, params string, length, off int64) {
		target := Target{Length: length, Type: typ, Params: params}
		for range min(strings.Count(params, "@"), 16) {
			target.Devices = append(target.Devices, device(3, 32))
		}
		r, ok := NewReader([]Target{target}, at)
		if !ok {
			return
		}
		b := make([]byte, 4096)
		n, err := r.ReadAt(b, off)
		if off >= 0 && int64(n) > max(0, length*SectorSize-off) || n < len(b) && err == nil {
			t.Errorf("%s %q of %d sectors: %d bytes at %d, %v", typ, params, length, n, off, err)
		}
	})
}
