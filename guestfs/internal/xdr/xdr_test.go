package xdr

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// all has a field of each type.
type all struct {
	U32   uint32
	U64   uint64
	I32   int32
	I64   int64
	Int   int
	True  bool
	Char  byte
	Float float32
	Fixed [5]byte
	Bytes []byte
	Str   string
	Opt   *string
	None  *string
	Strs  []string
	List  []pair
}

type pair struct{ A, B string }

func (p *pair) Code(c *Codec) {
	c.String(&p.A)
	c.String(&p.B)
}

func (a *all) Code(c *Codec) {
	c.Uint32(&a.U32)
	c.Uint64(&a.U64)
	c.Int32(&a.I32)
	c.Int64(&a.I64)
	c.Int(&a.Int)
	c.Bool(&a.True)
	c.Char(&a.Char)
	c.Float(&a.Float)
	c.Fixed(a.Fixed[:])
	c.Bytes(&a.Bytes)
	c.String(&a.Str)
	c.OptString(&a.Opt)
	c.OptString(&a.None)
	c.Strings(&a.Strs)
	List(c, &a.List, 8)
}

func sample() *all {
	opt := ""
	return &all{1, 1 << 40, -2, -3, -4, true, 'd', 1.5, [5]byte{1, 2, 3, 4, 5}, []byte{0, 9},
		"abc", &opt, nil, []string{"a", ""}, []pair{{"k", "v"}}}
}

func TestEncoding(t *testing.T) {
	e := NewEncoder(nil)
	sample().Code(e)
	b, err := e.Result()
	want := "00000001 0000010000000000 fffffffe fffffffffffffffd fffffffc 00000001 00000064 3fc00000 " +
		"0102030405000000 0000000200090000 0000000361626300 0000000100000000 00000000 " +
		"00000002000000016100000000000000 00000001000000016b0000000000000176000000"
	if got := hex.EncodeToString(b); err != nil || got != strings.ReplaceAll(want, " ", "") {
		t.Fatalf("%v, encoded\n%s\n%s", err, got, want)
	}
	var back all
	d := NewDecoder(b)
	back.Code(d)
	if err := d.End(); err != nil || !reflect.DeepEqual(&back, sample()) {
		t.Errorf("%v, decoded %+v", err, back)
	}
	for n := range b {
		d := NewDecoder(b[:n])
		new(all).Code(d)
		if err := d.End(); !errors.Is(err, ErrShort) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	d = NewDecoder(append(b, 0))
	new(all).Code(d)
	if err := d.End(); !errors.Is(err, ErrLong) {
		t.Errorf("one byte too many: %v", err)
	}
}

func TestStrict(t *testing.T) {
	for _, test := range []struct {
		name, in string
		code     func(*Codec)
		want     error
	}{
		{"bool", "00000002", func(c *Codec) { c.Bool(new(bool)) }, ErrValue},
		{"presence", "00000002", func(c *Codec) { c.OptString(new(*string)) }, ErrValue},
		{"padding", "0000000161000001", func(c *Codec) { c.String(new(string)) }, ErrValue},
		{"NUL", "0000000200610000", func(c *Codec) { c.String(new(string)) }, ErrValue},
		{"length", "ffffffff", func(c *Codec) { c.Bytes(new([]byte)) }, ErrShort},
		{"count", "ffffffff00000000", func(c *Codec) { c.Strings(new([]string)) }, ErrShort},
		{"structures", "4000000000000000", func(c *Codec) { List(c, new([]pair), 8) }, ErrShort},
		{"no padding", "0000000161", func(c *Codec) { c.String(new(string)) }, ErrShort},
	} {
		b, _ := hex.DecodeString(test.in)
		c := NewDecoder(b)
		test.code(c)
		if err := c.End(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestEncodingLimits(t *testing.T) {
	c := NewEncoder(nil)
	big := make([]byte, Limit-3)
	c.Bytes(&big)
	if !errors.Is(c.Err(), ErrLimit) {
		t.Error(c.Err())
	}
	c = NewEncoder(nil)
	n := 1 << 31
	c.Int(&n)
	if b, err := c.Result(); !errors.Is(err, ErrValue) || len(b) != 0 {
		t.Error(err)
	}
	c = NewEncoder(nil)
	s := "abc\x00def"
	c.String(&s)
	if b, _ := c.Result(); string(b) != "\x00\x00\x00\x03abc\x00" {
		t.Errorf("%q", b)
	}
}

func FuzzDecode(f *testing.F) {
	e := NewEncoder(nil)
	sample().Code(e)
	b, _ := e.Result()
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v all
		d := NewDecoder(b)
		v.Code(d)
		if d.End() != nil {
			return
		}
		e := NewEncoder(nil)
		v.Code(e)
		// A char keeps one byte of four.
		if again, err := e.Result(); err != nil || len(again) != len(b) || !bytes.Equal(again[:32], b[:32]) {
			t.Errorf("%v, decoded %x, encoded %x", err, b, again)
		}
	})
}
