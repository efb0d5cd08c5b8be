package inflate

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"
)

// reference decompresses by another implementation, up to n bytes.
func reference(src []byte, n int) ([]byte, error) {
	return io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(src)), int64(n)))
}

// same compares with the reference, with some room around what is decompressed to.
func same(t *testing.T, src []byte, n int) {
	t.Helper()
	want, werr := reference(src, n)
	room := bytes.Repeat([]byte{0xa5}, n+64)
	got, err := Decompress(room[32:32+n:32+n], src)
	if werr == nil && (err != nil || !bytes.Equal(room[32:32+got], want)) {
		t.Errorf("%d bytes to %d: %v, %d bytes, not %d", len(src), n, err, got, len(want))
	}
	if werr != nil && err == nil && got < n {
		t.Errorf("%d bytes to %d: no error, and %d bytes; it is %v", len(src), n, got, werr)
	}
	if !bytes.Equal(room[:32], bytes.Repeat([]byte{0xa5}, 32)) || !bytes.Equal(room[32+n:], bytes.Repeat([]byte{0xa5}, 32)) {
		t.Error("it has written outside of where it may")
	}
}

// samples are texts of different kinds.
func samples(t testing.TB) [][]byte {
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 100000)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(random)
	few := bytes.Clone(random)
	for i := range few {
		few[i] &= 3
	}
	var steps []byte
	for i := range 30000 {
		steps = append(steps, bytes.Repeat([]byte{byte(i)}, i%300)...)
	}
	periods := bytes.Clone(random[:7])
	for len(periods) < 100000 {
		n := 1 + int(random[len(periods)])%12
		for range 40 {
			periods = append(periods, periods[len(periods)-n%len(periods)])
		}
		periods = append(periods, random[len(periods)])
		if len(periods) > 99000 {
			break
		}
	}
	return [][]byte{nil, []byte("a"), make([]byte, 300000), self[:2<<20], random, few, steps[:1<<20], periods, []byte("hello, hello, hello")}
}

// What is compressed by all levels comes out again, also where there is little room, and what is
// cut off or changed is an error where it is one for others.
func TestDecompress(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, text := range samples(t) {
		for _, level := range []int{flate.HuffmanOnly, 0, 1, 3, 6, 9} {
			var b bytes.Buffer
			w, err := flate.NewWriter(&b, level)
			if err != nil {
				t.Fatal(err)
			}
			for rest := text; len(rest) > 0; {
				n := min(len(rest), 1+r.IntN(200000))
				w.Write(rest[:n])
				rest = rest[n:]
				if r.IntN(2) == 0 {
					w.Flush()
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			c := b.Bytes()
			for _, n := range []int{len(text), len(text) + 100, len(text) / 2, max(0, len(text)-1), 0} {
				same(t, c, n)
				same(t, append(bytes.Clone(c), "rubbish that follows"...), n)
			}
			got := make([]byte, len(text)+1)
			if n, err := Decompress(got, c); err != nil || !bytes.Equal(got[:n], text) {
				t.Errorf("level %d, %d bytes: %v, %d", level, len(text), err, n)
			}
			if n, err := Decompress(got, c[:len(c)/2]); err == nil && len(text) > 0 {
				t.Errorf("level %d, %d bytes: half of it is taken for %d", level, len(text), n)
			}
			for range 30 {
				bad := bytes.Clone(c)
				bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
				same(t, bad, len(text)+100)
			}
		}
	}
}

// The checksum of zlib is verified, and its header.
func TestZlib(t *testing.T) {
	for _, text := range samples(t) {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		w.Write(text)
		w.Close()
		c := b.Bytes()
		got := make([]byte, len(text)+100)
		for _, room := range []int{0, 100} {
			n, err := Zlib(got[:len(text)+room], append(bytes.Clone(c), "more"...))
			if err != nil || !bytes.Equal(got[:n], text) {
				t.Errorf("%d bytes: %d, %v", len(text), n, err)
			}
		}
		if _, err := Zlib(got[:len(text)], c[:len(c)-1]); err != ErrShort {
			t.Errorf("without the last byte: %v", err)
		}
		if n, err := Zlib(got[:len(text)/2], c); n != len(text)/2 || len(text) > 1 && err != ErrLong {
			t.Errorf("half of it: %d, %v", n, err)
		}
		c[len(c)-1]++
		if _, err := Zlib(got[:len(text)], c); err != ErrChecksum {
			t.Errorf("with another checksum: %v", err)
		}
		c[0]++
		if _, err := Zlib(got, c); err != ErrHeader {
			t.Errorf("with another header: %v", err)
		}
	}
	if _, err := Zlib(nil, []byte{0x78}); err != ErrShort {
		t.Error(err)
	}
}

// Whatever is read, it decompresses to what it does elsewhere, or is an error.
func FuzzDecompress(f *testing.F) {
	for _, text := range samples(f) {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, 6)
		w.Write(text[:min(len(text), 3000)])
		w.Close()
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		same(t, src, 100000)
		same(t, src, 700)
	})
}

func BenchmarkDecompress(b *testing.B) {
	text := samples(b)[3][:64<<10]
	if name := os.Getenv("UNBOOT_BENCH_FILE"); name != "" {
		all, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		text = all[len(all)/5:][:64<<10]
	}
	var c bytes.Buffer
	w, _ := flate.NewWriter(&c, 6)
	w.Write(text)
	w.Close()
	dst := make([]byte, len(text))
	b.Run("slice", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			if _, err := Decompress(dst, c.Bytes()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("stream", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		r := flate.NewReader(bytes.NewReader(nil))
		for b.Loop() {
			r.(flate.Resetter).Reset(bytes.NewReader(c.Bytes()), nil)
			if _, err := io.ReadFull(r, dst); err != nil {
				b.Fatal(err)
			}
		}
	})
}
