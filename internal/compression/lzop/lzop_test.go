package lzop_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/compression/lzop"
	"github.com/unboot/unboot/internal/testimg"
)

// content has what compresses, what does not, and zeros, in all sizes of matches.
func content(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	var b []byte
	for len(b) < n {
		switch piece := 1 + r.IntN(70000); r.IntN(4) {
		case 0:
			b = append(b, make([]byte, piece)...)
		case 1:
			for range piece {
				b = append(b, byte(r.Uint32()))
			}
		case 2:
			for i := range piece / 20 {
				b = fmt.Appendf(b, "a line of text, %d\n", i*i)
			}
		case 3:
			for range 1 + r.IntN(1000) {
				if from := r.IntN(len(b) + 1); from < len(b) {
					b = append(b, b[from:min(from+1+r.IntN(400), len(b))]...)
				}
			}
		}
	}
	return b[:n]
}

func pack(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	testimg.Need(t, "lzop")
	cmd := exec.Command("lzop", append(args, "-c")...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(args, err)
	}
	return out
}

func unpack(b []byte) ([]byte, error) {
	z, err := lzop.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// TestLevels reads what lzop(1) has compressed, at all levels and with all its checksums.
func TestLevels(t *testing.T) {
	big := content(3<<20 + 12345)
	for _, args := range []string{"-1", "-2", "-3", "-4", "-5", "-6", "-7", "-8", "-9", "--crc32", "-F", "--checksum", "-CC", "-n", "-9 --crc32"} {
		for _, in := range [][]byte{nil, big[:1], big[:100], big[:1<<18], big[:1<<18+1], big} {
			switch got, err := unpack(pack(t, in, strings.Fields(args)...)); {
			case err != nil:
				t.Errorf("%s, %d bytes: %v", args, len(in), err)
			case !bytes.Equal(got, in):
				t.Errorf("%s, %d bytes: something else", args, len(in))
			}
		}
	}
}

// TestStored reads blocks that do not get smaller.
func TestStored(t *testing.T) {
	in := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range in {
		in[i] = byte(r.Uint32())
	}
	packed := pack(t, in)
	if len(packed) < len(in) {
		t.Fatal("nothing is stored")
	}
	if got, err := unpack(packed); err != nil || !bytes.Equal(got, in) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	packed[len(packed)/2]++
	if _, err := unpack(packed); !errors.Is(err, lzop.ErrChecksum) {
		t.Error(err)
	}
}

// TestMembers reads files that follow one another, and zeros at the end.
func TestMembers(t *testing.T) {
	in := content(600000)
	var all []byte
	for _, b := range [][]byte{pack(t, in[:300000]), pack(t, nil), pack(t, in[300000:], "-9", "--crc32")} {
		all = append(all, b...)
	}
	for _, end := range []int{0, 1, 9, 512, 100000} {
		got, err := unpack(append(all[:len(all):len(all)], make([]byte, end)...))
		if err != nil || !bytes.Equal(got, in) {
			t.Errorf("%d zeros: %d bytes, %v", end, len(got), err)
		}
	}
	for _, end := range []string{"x", "something else", string(make([]byte, 50000)) + "x"} {
		if _, err := unpack(append(all[:len(all):len(all)], end...)); !errors.Is(err, lzop.ErrCorrupt) {
			t.Errorf("%.20q: %v", end, err)
		}
	}
}

// TestDamage changes each byte, and cuts off at each.
func TestDamage(t *testing.T) {
	in := content(2000)
	packed := pack(t, in, "-CC") // all checksums
	for at := range packed {
		if _, err := unpack(packed[:at]); err == nil {
			t.Errorf("the first %d bytes alone are all right", at)
		}
		damaged := bytes.Clone(packed)
		damaged[at] ^= 0x10
		if got, err := unpack(damaged); err == nil {
			t.Errorf("%d bytes with byte %d changed", len(got), at)
		} else if !errors.Is(err, lzop.ErrCorrupt) && !errors.Is(err, lzop.ErrChecksum) && !errors.Is(err, lzop.ErrUnsupported) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
}

// member makes a file of one block that is stored.
func member(version, flags uint32, extra []byte, content string) []byte {
	be := binary.BigEndian
	b := be.AppendUint16(nil, uint16(version))
	b = be.AppendUint16(b, 0x20a0)
	if version >= 0x940 {
		b = be.AppendUint16(b, 0x0940)
	}
	b = append(b, 1)
	if version >= 0x940 {
		b = append(b, 5)
	}
	b = be.AppendUint32(b, flags)
	b = be.AppendUint32(b, 0o100644)
	b = be.AppendUint32(b, 1700000000)
	if version >= 0x940 {
		b = be.AppendUint32(b, 0)
	}
	b = append(b, 4)
	b = append(b, "name"...)
	b = be.AppendUint32(b, adler32.Checksum(b))
	if flags&0x40 != 0 {
		x := append(be.AppendUint32(nil, uint32(len(extra))), extra...)
		b = append(b, be.AppendUint32(x, adler32.Checksum(x))...)
	}
	b = append([]byte(lzop.Magic), b...)
	if content != "" {
		b = be.AppendUint32(b, uint32(len(content)))
		b = be.AppendUint32(b, uint32(len(content)))
		if flags&1 != 0 {
			b = be.AppendUint32(b, adler32.Checksum([]byte(content)))
		}
		b = append(b, content...)
	}
	return append(b, 0, 0, 0, 0)
}

// TestHeaders reads headers that lzop(1) does not write any more, as it reads them.
func TestHeaders(t *testing.T) {
	testimg.Need(t, "lzop")
	for name, b := range map[string][]byte{
		"as it is":           member(0x1040, 1, nil, "hello"),
		"no checksum":        member(0x1040, 0, nil, "hello"),
		"empty":              member(0x1040, 1, nil, ""),
		"old":                member(0x0900, 1, nil, "hello"),
		"older":              member(0x0890, 1, nil, "hello"),
		"extra":              member(0x1040, 0x41, []byte("something more"), "hello"),
		"extra, empty":       member(0x1040, 0x41, nil, "hello"),
		"checksum of stored": member(0x1040, 3, nil, "hello"),
	} {
		cmd := exec.Command("lzop", "-dc")
		cmd.Stdin = bytes.NewReader(b)
		want, failed := cmd.Output()
		if got, err := unpack(b); (err != nil) != (failed != nil) || err == nil && string(got) != string(want) {
			t.Errorf("%s: %q, %v; lzop: %q, %v", name, got, err, want, failed)
		}
	}
}

// TestBounds finds that what a file says takes no memory.
func TestBounds(t *testing.T) {
	b := member(0x1040, 0, nil, "")
	b = b[:len(b)-4]
	for _, sizes := range [][2]uint32{{64 << 20, 64 << 20}, {64 << 20, 1 << 20}, {1<<32 - 1, 1<<32 - 1}, {64 << 20, 1}, {1, 0}, {1, 2}} {
		b := binary.BigEndian.AppendUint32(b[:len(b):len(b)], sizes[0])
		b = append(binary.BigEndian.AppendUint32(b, sizes[1]), "x"...)
		var err error
		if n := testing.AllocsPerRun(1, func() { _, err = unpack(b) }); n > 100 || !errors.Is(err, lzop.ErrCorrupt) {
			t.Errorf("%d: %v allocations, %v", sizes, n, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	in := content(5000)
	f.Add(pack(f, in))
	f.Add(pack(f, in, "-9", "--crc32"))
	f.Add(member(0x0900, 1, nil, "hello"))
	f.Add(member(0x1040, 0x40, []byte("x"), "hello"))
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := lzop.NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		if n, _ := io.Copy(io.Discard, z); n > 255*int64(len(b)) {
			t.Errorf("%d bytes of %d", n, len(b))
		}
	})
}

func BenchmarkReader(b *testing.B) {
	in := content(16 << 20)
	packed := pack(b, in)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if got, err := unpack(packed); err != nil || len(got) != len(in) {
			b.Fatal(err)
		}
	}
}
