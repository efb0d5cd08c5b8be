package matrix

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// varied returns contents on which a compressor takes every way that it has: what
// it cannot shorten, what it shortens to nothing, what becomes shorter by less
// than the disk can save, and changes between them inside of its units.
func varied() map[string][]byte {
	files := map[string][]byte{
		"random":  testimg.Pattern(300_001, 1),
		"zeros":   make([]byte, 300_000),
		"numbers": numbers(1 << 20),
		"text":    []byte(strings.Repeat("the quick brown fox jumps over the lazy dog\n", 9000)),
	}
	// Around the ends of pages and of the units of all of them.
	for _, n := range []int{1, 4095, 4096, 4097, 16384, 65535, 65536, 65537, 131072, 1 << 18} {
		files[fmt.Sprintf("random-%d", n)] = testimg.Pattern(n, uint64(n))
		files[fmt.Sprintf("numbers-%d", n)] = numbers(n)
	}
	// Of each unit, so many parts in 16 cannot be shortened.
	for _, unit := range []int{4096, 16384, 65536} {
		for _, parts := range []int{1, 8, 13, 14, 15} {
			var b []byte
			for i := range 5 {
				n := unit * parts / 16
				b = append(b, testimg.Pattern(n, uint64(i+unit))...)
				b = append(b, make([]byte, unit-n)...)
			}
			files[fmt.Sprintf("parts-%d-%d", unit, parts)] = b
		}
	}
	// Runs of all lengths and kinds, so that everything straddles everything.
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 2 {
		var b []byte
		for len(b) < 700_000 {
			n := 1 + r.IntN(1<<(4+r.IntN(13)))
			switch r.IntN(4) {
			case 0:
				b = append(b, testimg.Pattern(n, r.Uint64())...)
			case 1:
				b = append(b, make([]byte, n)...)
			case 2:
				b = append(b, bytes.Repeat([]byte{byte(r.Uint32())}, n)...)
			default:
				b = append(b, numbers(n)...)
			}
		}
		files[fmt.Sprintf("mixed-%d", i)] = b
	}
	return files
}

// numbers is the start of what seq(1) prints.
func numbers(n int) []byte {
	var b bytes.Buffer
	for i := 1; b.Len() < n; i++ {
		fmt.Fprintln(&b, i)
	}
	return b.Bytes()[:n]
}

// fillVaried writes files in all ways that change a compressed one: at once, in
// small pieces, over what is on the disk already, cut and made longer, with
// holes. It returns what they hold in the end.
func fillVaried(r *runner) map[string][]byte {
	r.t.Helper()
	want := varied()
	for name, data := range want {
		r.file(name, data)
	}
	sync := func(fd int) { r.must("fsync", r.s.Fsync(fd)) }
	write := func(fd int, name string, data []byte, off int) {
		r.t.Helper()
		n, err := r.s.Pwrite(fd, data, int64(off))
		if err != nil || n != len(data) {
			r.must("write "+name, fmt.Errorf("%d bytes, %w", n, err))
		}
		b := want[name]
		b = append(b, make([]byte, max(0, off+n-len(b)))...)
		copy(b[off:], data)
		want[name] = b
	}
	cut := func(fd int, name string, size int) {
		r.t.Helper()
		r.must("truncate "+name, r.s.Ftruncate(fd, int64(size)))
		b := want[name]
		want[name] = append(b[:min(size, len(b))], make([]byte, max(0, size-len(b)))...)
	}
	for _, from := range []string{"random", "numbers", "mixed-0", "zeros"} {
		data := want[from]
		change := func(name string, do func(fd int, name string)) {
			name = from + "-" + name
			r.with(name, creat, func(fd int) {
				write(fd, name, data, 0)
				sync(fd)
				do(fd, name)
			})
		}
		change("over", func(fd int, name string) {
			for off := 1000; off < len(data); off += 50_001 {
				write(fd, name, testimg.Pattern(7000, uint64(off)), off)
				if off%3 == 0 {
					sync(fd)
				}
			}
		})
		change("zeroed", func(fd int, name string) { write(fd, name, make([]byte, 150_000), 30_000) })
		change("cut", func(fd int, name string) {
			cut(fd, name, 100_000)
			sync(fd)
			cut(fd, name, 260_000)
			write(fd, name, numbers(500), 259_900)
		})
		change("appended", func(fd int, name string) {
			for range 40 {
				write(fd, name, numbers(1777), len(want[name]))
			}
			sync(fd)
			write(fd, name, testimg.Pattern(33_333, 5), len(want[name]))
		})
		change("hole", func(fd int, name string) { write(fd, name, testimg.Pattern(10_000, 9), len(data)+400_000) })
	}
	return want
}

// checkVaried reads the files, in large pieces and in small ones.
func checkVaried(t *testing.T, what string, s sys, root string, want map[string][]byte) {
	t.Helper()
	bad := 0
	for name, data := range want {
		for _, piece := range []int{1 << 20, 10_000} {
			got, err := readPieces(s, root+"/"+name, piece)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s: %s in pieces of %d: %d bytes of %d, first difference at %d, error %v",
					what, name, piece, len(got), len(data), differs(got, data), err)
				bad++
			}
		}
		if bad > 10 {
			t.Fatalf("%s: and more", what)
		}
	}
}

func readPieces(s sys, path string, piece int) (got []byte, err error) {
	fd, err := s.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer s.CloseFd(fd)
	buf := make([]byte, piece)
	for {
		n, err := s.Pread(fd, buf, int64(len(got)))
		if err != nil || n == 0 {
			return got, err
		}
		got = append(got, buf[:n]...)
	}
}

func differs(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
