package lzfse_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/lzfse"
	"github.com/unboot/unboot/internal/testimg"
)

// encode compresses with lzfse(1).
func encode(t testing.TB, b []byte) []byte {
	t.Helper()
	testimg.Need(t, "lzfse")
	dir := imgtest.Write(t, map[string][]byte{"raw": b})
	testimg.MustRun(t, "lzfse", "-encode", "-i", filepath.Join(dir, "raw"), "-o", filepath.Join(dir, "packed"))
	packed, err := os.ReadFile(filepath.Join(dir, "packed"))
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

// contents are texts, noise and zeros, of sizes for which lzfse(1) chooses each kind of block.
func contents() (list [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("the quick brown fox jumps over a lazy dog and then some others")
	var text []byte
	for len(text) < 1<<20 {
		text = append(append(text, words[r.IntN(len(words))]...), ' ')
	}
	for _, n := range []int{1, 7, 100, 4000, 5000, 100000, 1 << 20} {
		list = append(list, text[:n], make([]byte, n), imgtest.Content(n, uint64(n)))
	}
	return list
}

func TestDecode(t *testing.T) {
	kinds := map[string]int{}
	for i, want := range contents() {
		packed := encode(t, want)
		kinds[string(packed[:4])]++
		got := make([]byte, len(want)+10)
		n, err := lzfse.Decode(got, packed)
		if err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%d: %d bytes of %d, %v", i, n, len(want), err)
		}
		// A part of it.
		if n, err := lzfse.Decode(got[:len(want)/2], packed); err != nil || !bytes.Equal(got[:n], want[:len(want)/2]) {
			t.Errorf("%d: %d bytes of %d, %v", i, n, len(want)/2, err)
		}
		// Cut off.
		if n, err := lzfse.Decode(got, packed[:len(packed)-1-len(packed)/3]); err == nil {
			t.Errorf("%d: %d bytes without an error", i, n)
		}
	}
	for _, kind := range []string{"bvx-", "bvxn", "bvx2"} {
		if kinds[kind] == 0 {
			t.Errorf("no blocks of the kind %s", kind)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range contents()[:15] {
		f.Add(encode(f, b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := make([]byte, 1<<16)
		if n, _ := lzfse.Decode(p, b); n > len(p) {
			t.Error(n)
		}
	})
}

// TestRecorded decodes what Apple's lzfse(1), which Debian does not have, made of texts and
// noise: a block of each kind.
func TestRecorded(t *testing.T) {
	list := contents()
	for name, want := range map[string][]byte{"stored": list[0], "lzvn": list[6], "fse": list[12]} {
		packed, err := os.ReadFile(filepath.Join("testdata", name+".lzfse"))
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want)+1)
		if n, err := lzfse.Decode(got, packed); err != nil || !bytes.Equal(got[:n], want) {
			t.Errorf("%s: %d bytes of %d, %v", name, n, len(want), err)
		}
	}
}
