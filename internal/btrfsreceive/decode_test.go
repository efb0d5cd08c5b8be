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
