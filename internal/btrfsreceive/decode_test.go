package btrfsreceive

import (
	"bytes"
	"compress/zlib"
	"errors"
	"testing"

	"github.com/unboot/unboot/internal/btrfsstream"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

func TestDecode(t *testing.T) {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte("0123456789"))
	z.Close()
	b.Write(make([]byte, 100)) // up to a whole block
	got, err := decode(btrfs.Encoded{Length: 6, UnencodedLength: 12, UnencodedOffset: 5, Compression: 1}, b.Bytes())
	if err != nil || string(got) != "56789\x00" {
		t.Errorf("%q, %v", got, err)
	}
	for _, e := range []btrfs.Encoded{
		{Length: 1, UnencodedLength: 1 << 40, Compression: 1},
		{Length: 5, UnencodedLength: 4, Compression: 1},
		{Length: 1, UnencodedLength: 4, UnencodedOffset: 4, Compression: 1},
		{Length: ^uint64(0), UnencodedLength: 4, UnencodedOffset: 2, Compression: 1},
	} {
		if _, err := decode(e, b.Bytes()); !errors.Is(err, btrfsstream.ErrFormat) {
			t.Errorf("%+v: %v", e, err)
		}
	}
	for _, e := range []btrfs.Encoded{{Compression: 0}, {Compression: 8}, {Compression: 1, Encryption: 1}} {
		if _, err := decode(e, b.Bytes()); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%+v: %v", e, err)
		}
	}
}

// TestLZO has each kind of instruction, with the numbers of the kernel's
// Documentation/staging/lzo.rst.
func TestLZO(t *testing.T) {
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
		n, err := lzo1x(out, c.in)
		if err != nil || string(out[:n]) != c.want {
			t.Errorf("%s: %q, %v", name, out[:n], err)
		}
		for cut := range c.in {
			if _, err := lzo1x(out, c.in[:cut]); err == nil {
				t.Errorf("%s: the first %d bytes alone are all right", name, cut)
			}
		}
		if _, err := lzo1x(out[:len(c.want)-1], c.in); err == nil {
			t.Errorf("%s: in too little room", name)
		}
	}
	if _, err := lzo1x(make([]byte, 100), join([]byte{18, 'a'}, []byte{4 << 2, 0})); err == nil {
		t.Error("a match before the beginning")
	}
}

// FuzzDecode decompresses anything.
func FuzzDecode(f *testing.F) {
	f.Add(uint32(1), []byte{0x78, 0x9c})
	f.Add(uint32(2), []byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Add(uint32(3), []byte{15, 0, 0, 0, 7, 0, 0, 0, 18, 'a', 0, 0, 17, 0, 0})
	f.Fuzz(func(t *testing.T, method uint32, data []byte) {
		got, err := decode(btrfs.Encoded{Length: maxEncoded, UnencodedLength: maxEncoded, Compression: method % 9}, data)
		if err == nil && len(got) != maxEncoded {
			t.Errorf("%d bytes", len(got))
		}
	})
}
