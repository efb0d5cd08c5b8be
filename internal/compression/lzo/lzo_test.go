package lzo_test

import (
	"bytes"
	"testing"

	"github.com/unboot/unboot/internal/compression/lzo"
)

// TestInstructions has each kind of instruction, with the numbers of the kernel's
// Documentation/staging/lzo.rst.
func TestInstructions(t *testing.T) {
	end := []byte{17, 0, 0}
	join := func(b ...[]byte) []byte { return bytes.Join(append(b, end), nil) }
	many := bytes.Repeat([]byte("z"), 300)
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"literals first":         {join([]byte{17 + 5}, []byte("hello")), "hello"},
		"literals":               {join([]byte{2}, []byte("hello")), "hello"},
		"many literals":          {join([]byte{0, 0, 300 - 3 - 15 - 255}, many), string(many)},
		"short match":            {join([]byte{2}, []byte("abcde"), []byte{64 | 4<<2, 0}), "abcdeabc"},
		"longer match":           {join([]byte{2}, []byte("abcde"), []byte{128 | 4<<2 | 1, 0, 'x'}), "abcdeabcdex"},
		"match of any length":    {join([]byte{2}, []byte("abcde"), []byte{32 | 8, 4 << 2, 0}), "abcdeabcdeabcde"},
		"overlapping":            {join([]byte{17 + 4}, []byte("aaaa"), []byte{32, 10, 0, 0}), "aaaa" + string(bytes.Repeat([]byte("a"), 43))},
		"two bytes after a few":  {join([]byte{17 + 3}, []byte("abc"), []byte{2 << 2, 0}), "abcab"},
		"three bytes after many": {join([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 32}, bytes.Repeat([]byte("y"), 2090), []byte{0, 0}), string(bytes.Repeat([]byte("y"), 2093))},
	} {
		out := make([]byte, 4096)
		n, err := lzo.Decompress(out, c.in)
		if err != nil || string(out[:n]) != c.want {
			t.Errorf("%s: %q, %v", name, out[:n], err)
		}
		for cut := range c.in {
			if _, err := lzo.Decompress(out, c.in[:cut]); err == nil {
				t.Errorf("%s: the first %d bytes alone are all right", name, cut)
			}
		}
		if _, err := lzo.Decompress(out[:len(c.want)-1], c.in); err == nil {
			t.Errorf("%s: in too little room", name)
		}
	}
	if _, err := lzo.Decompress(make([]byte, 100), join([]byte{18, 'a'}, []byte{4 << 2, 0})); err == nil {
		t.Error("a match before the beginning")
	}
}

func FuzzDecompress(f *testing.F) {
	f.Add([]byte{17 + 4, 'a', 'b', 'c', 'd', 32, 10, 0, 0, 17, 0, 0}, 100)
	f.Add([]byte{18, 'a', 0, 0, 17, 0, 0}, 5000)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		out := make([]byte, size&0xffff)
		n, err := lzo.Decompress(out, b)
		if n < 0 || n > len(out) || err == nil && n > lzo.MaxRatio*len(b) {
			t.Errorf("%d bytes of %d, %v", n, len(b), err)
		}
	})
}
