package tables

import (
	"io"
	"math/rand/v2"
	"testing"
)

// Bits that were set and cleared at random are those of an array, in both orders.
func TestBits(t *testing.T) {
	for _, high := range []bool{false, true} {
		m := &memory{b: make([]byte, 100)}
		b := Bits{File: NewCache(1 << 20).File(m), At: 20, High: high}
		r := rand.New(rand.NewPCG(5, 6))
		want := make([]bool, 640)
		for range 2000 {
			i := r.Int64N(640)
			n := r.Int64N(min(640-i, 70)) + 1
			set := r.IntN(2) == 0
			if err := b.Set(i, n, set); err != nil {
				t.Fatal(err)
			}
			for j := range n {
				want[i+j] = set
			}
			i = r.Int64N(640)
			run := int64(0)
			for i+run < 640 && want[i+run] == want[i] {
				run++
			}
			n = r.Int64N(640-i) + 1
			if got, k, err := b.Run(i, n); got != want[i] || k != min(run, n) || err != nil {
				t.Fatalf("at %d: %v, %d, %v; want %v, %d", i, got, k, err, want[i], run)
			}
		}
		b.Set(0, 640, false)
		b.Set(8, 1, true)
		var p [1]byte
		if b.File.Read(p[:], 21); high != (p[0] == 0x80) {
			t.Errorf("%v: %x", high, p)
		}
		if _, _, err := b.Run(630, 100); err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
	}
}
