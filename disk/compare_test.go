package disk

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	for i := range 30 {
		a := scattered(rng, 512*(1+rng.Int64N(4000)))
		b := scattered(rng, 512*(1+rng.Int64N(4000)))
		if i%3 > 0 {
			// Nearly the same, stored in another way.
			b.b = slices.Clone(a.b)
			b.extents = []Extent{{Size: a.Size(), Kind: Data}}
			for range i % 5 {
				b.b[rng.IntN(len(b.b))] ^= 1
			}
		}
		size := max(a.Size(), b.Size())
		at := func(m *memory, i int64) byte {
			if i < m.Size() {
				return m.b[i]
			}
			return 0
		}
		want := make([]bool, size/512)
		for i := range size {
			if at(a, i) != at(b, i) {
				want[i/512] = true
			}
		}
		got := make([]bool, size/512)
		var seen, end int64
		for r, err := range Compare(context.Background(), a, b, func(n int64) { seen += n }) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Start < end || r.Start == end && end > 0 || r.Size <= 0 || r.Start%512 != 0 {
				t.Errorf("%d: range %+v after %d", i, r, end)
			}
			end = r.Start + r.Size
			for s := r.Start / 512; s < end/512; s++ {
				got[s] = true
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d: other differences than there are", i)
		}
		if seen != size {
			t.Errorf("%d: progress of %d bytes of %d", i, seen, size)
		}
		for r := range Compare(context.Background(), a, a, nil) {
			t.Errorf("%d: %+v differs from itself", i, r)
		}
		for range Compare(context.Background(), a, b, nil) {
			break // and nothing hangs
		}
	}
}

func TestCompareError(t *testing.T) {
	bad := &memory{b: make([]byte, 8<<20), extents: []Extent{{Size: 8 << 20, Kind: Data}}, badRead: 5 << 20}
	good := &memory{b: make([]byte, 8<<20), extents: []Extent{{Size: 8 << 20, Kind: Data}}}
	good.b[0] = 1
	var ranges []Range
	var failed error
	for r, err := range Compare(context.Background(), bad, good, nil) {
		if err != nil {
			failed = err
			continue
		}
		ranges = append(ranges, r)
	}
	if failed == nil || !strings.Contains(failed.Error(), "read at 5242880: input/output error") {
		t.Errorf("error: %v", failed)
	}
	if len(ranges) != 1 || ranges[0] != (Range{0, 512}) {
		t.Errorf("before the error: %v", ranges)
	}
}
