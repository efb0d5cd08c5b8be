package btrfsstream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/btrfsstream"
)

// header begins a stream.
func header(version uint32) []byte {
	return binary.LittleEndian.AppendUint32([]byte(btrfsstream.Magic), version)
}

// attr is an attribute with its length.
func attr(a btrfsstream.Attr, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(a))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// command is one with its checksum.
func command(k btrfsstream.Kind, attrs ...[]byte) []byte {
	body := bytes.Join(attrs, nil)
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	b = binary.LittleEndian.AppendUint16(b, uint16(k))
	b = append(append(b, 0, 0, 0, 0), body...)
	// The kernel's crc32c(0, …) neither begins nor ends with an inversion.
	binary.LittleEndian.PutUint32(b[6:], ^crc32.Update(^uint32(0), crc32.MakeTable(crc32.Castagnoli), b))
	return b
}

func u64(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) }

func TestReader(t *testing.T) {
	stamp := append(u64(1e9), 5, 0, 0, 0)
	// Data of version 2 has no length, and may be longer than one can be.
	data := bytes.Repeat([]byte("x"), 100_000)
	long := append(binary.LittleEndian.AppendUint16(nil, uint16(btrfsstream.Data)), data...)
	r := btrfsstream.NewReader(bytes.NewReader(bytes.Join([][]byte{
		header(1),
		command(btrfsstream.Utimes, attr(btrfsstream.Path, []byte("a/b")), attr(btrfsstream.Mtime, stamp)),
		command(btrfsstream.End),
		header(2),
		command(btrfsstream.Write, attr(btrfsstream.FileOffset, u64(7)), long),
		command(btrfsstream.End),
	}, nil)))
	c, err := r.Next()
	if err != nil || c.Kind != btrfsstream.Utimes || c.Text(btrfsstream.Path) != "a/b" || !c.Time(btrfsstream.Mtime).Equal(time.Unix(1e9, 5)) || c.Err() != nil || r.Version() != 1 {
		t.Errorf("%s, %v, %v", c, err, c.Err())
	}
	if c.Has(btrfsstream.Atime) || !c.Time(btrfsstream.Atime).Equal(time.Unix(0, 0)) || !errors.Is(c.Err(), btrfsstream.ErrFormat) {
		t.Errorf("a missing attribute: %v", c.Err())
	}
	if c, err = r.Next(); err != nil || c.Kind != btrfsstream.End {
		t.Errorf("%s, %v", c, err)
	}
	if c, err = r.Next(); err != nil || c.Uint64(btrfsstream.FileOffset) != 7 || !bytes.Equal(c.Bytes(btrfsstream.Data), data) || c.Err() != nil || r.Version() != 2 {
		t.Errorf("%s, %v, %v", c, err, c.Err())
	}
	if c.Uint32(btrfsstream.FileOffset); c.Err() == nil {
		t.Error("a number of 64 bits as one of 32")
	}
	if _, err = r.Next(); err != nil {
		t.Error(err)
	}
	if _, err = r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestErrors(t *testing.T) {
	damaged := command(btrfsstream.Chmod, attr(btrfsstream.Mode, u64(0o644)))
	damaged[len(damaged)-1] ^= 1
	long := binary.LittleEndian.AppendUint32(nil, 1<<31)
	for name, c := range map[string]struct {
		stream []byte
		err    error
	}{
		"nothing":              {nil, io.EOF},
		"a header is cut off":  {header(1)[:5], io.ErrUnexpectedEOF},
		"no stream":            {bytes.Repeat([]byte("b"), 40), btrfsstream.ErrFormat},
		"version 0":            {header(0), btrfsstream.ErrVersion},
		"version 3":            {header(3), btrfsstream.ErrVersion},
		"no end":               {header(1), io.ErrUnexpectedEOF},
		"a command is cut off": {append(header(1), command(btrfsstream.Chmod, attr(btrfsstream.Mode, u64(0)))[:15]...), io.ErrUnexpectedEOF},
		"a checksum":           {append(header(1), damaged...), btrfsstream.ErrChecksum},
		"2 GiB":                {append(append(header(1), long...), 3, 0, 0, 0, 0, 0), btrfsstream.ErrFormat},
		"command 0":            {append(header(1), command(0)...), btrfsstream.ErrFormat},
		"one of version 2":     {append(header(1), command(btrfsstream.EncodedWrite)...), btrfsstream.ErrFormat},
		"one of the future":    {append(header(2), command(100)...), btrfsstream.ErrFormat},
		"attribute 0":          {append(header(1), command(btrfsstream.Chmod, attr(0, nil))...), btrfsstream.ErrFormat},
		"attribute 1000":       {append(header(1), command(btrfsstream.Chmod, attr(1000, nil))...), btrfsstream.ErrFormat},
		"half an attribute":    {append(header(1), command(btrfsstream.Chmod, []byte{1})...), btrfsstream.ErrFormat},
		"a length too large":   {append(header(1), command(btrfsstream.Chmod, []byte{1, 0, 9, 0, 1})...), btrfsstream.ErrFormat},
		"no length":            {append(header(1), command(btrfsstream.Write, []byte{byte(btrfsstream.Data), 0, 1})...), btrfsstream.ErrFormat},
	} {
		if _, err := btrfsstream.NewReader(bytes.NewReader(c.stream)).Next(); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
	c, err := btrfsstream.NewReader(bytes.NewReader(append(header(1), command(btrfsstream.Rename, attr(btrfsstream.Path, []byte("a\x00b")))...))).Next()
	if err != nil || c.Text(btrfsstream.Path) != "" || c.Err() == nil {
		t.Errorf("a path with a NUL: %v, %v", err, c.Err())
	}
	if s := btrfsstream.Kind(1000).String(); s != "command 1000" {
		t.Error(s)
	}
}

// FuzzReader reads any stream, whose checksums are right.
func FuzzReader(f *testing.F) {
	f.Add(uint32(1), uint16(15), attr(btrfsstream.Path, []byte("a")), uint16(21), []byte(nil))
	f.Add(uint32(2), uint16(25), []byte{19, 0, 1, 2, 3}, uint16(20), attr(btrfsstream.Atime, make([]byte, 12)))
	f.Fuzz(func(t *testing.T, version uint32, k1 uint16, b1 []byte, k2 uint16, b2 []byte) {
		stream := bytes.Join([][]byte{header(version), command(btrfsstream.Kind(k1), b1), command(btrfsstream.Kind(k2), b2)}, nil)
		r := btrfsstream.NewReader(bytes.NewReader(stream))
		for {
			c, err := r.Next()
			if err != nil {
				return
			}
			for a := btrfsstream.UUID; a <= btrfsstream.Encryption; a++ {
				b := c.Bytes(a)
				if c.Has(a) != (b != nil) {
					t.Fatal(a)
				}
				c.UUID(a)
				c.Uint64(a)
				c.Uint32(a)
				c.Text(a)
				c.Time(a)
			}
		}
	})
}
