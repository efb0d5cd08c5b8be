package xdr

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

var zeros [4]byte

// padding returns how many zeros follow n bytes.
func padding(n int) int { return -n & 3 }

// Fixed codes opaque bytes of a length that both ends know.
func (c *Codec) Fixed(v []byte) {
	if c.decode {
		copy(v, c.opaque(len(v)))
		return
	}
	pad := padding(len(v))
	if c.room(len(v) + pad) {
		c.buf = append(append(c.buf, v...), zeros[:pad]...)
	}
}

// opaque returns the next n bytes and skips their padding.
func (c *Codec) opaque(n int) []byte {
	b := c.take(n)
	for _, p := range c.take(padding(n)) {
		if p != 0 {
			c.Fail(fmt.Errorf("%w: padding is not zero", ErrValue))
			return nil
		}
	}
	return b
}

// length decodes a length of n bytes, or a count of elements of at least size
// bytes, which the rest of the message has to hold.
func (c *Codec) length(size int) int {
	var n uint32
	c.Uint32(&n)
	if c.err == nil && int64(n)*int64(size) > int64(len(c.buf)-c.pos) {
		c.Fail(fmt.Errorf("%w: length %d", ErrShort, n))
	}
	if c.err != nil {
		return 0
	}
	return int(n)
}

// Bytes codes opaque bytes of any length.
func (c *Codec) Bytes(v *[]byte) {
	if c.decode {
		*v = append([]byte(nil), c.opaque(c.length(1))...)
		return
	}
	if c.room(4 + len(*v) + padding(len(*v))) {
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(*v)))
		c.Fixed(*v)
	}
}

// String codes a string. Both ends of the protocol take a NUL for a string's end: what
// follows one is not encoded, and it is an error to decode one.
func (c *Codec) String(v *string) {
	if c.decode {
		b := c.opaque(c.length(1))
		if bytes.IndexByte(b, 0) >= 0 {
			c.Fail(fmt.Errorf("%w: NUL in a string", ErrValue))
			return
		}
		*v = string(b)
		return
	}
	s, _, _ := strings.Cut(*v, "\x00")
	n := len(s)
	if c.room(4 + n + padding(n)) {
		c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(n))
		c.buf = append(append(c.buf, s...), zeros[:padding(n)]...)
	}
}

// OptString codes a string that may be missing.
func (c *Codec) OptString(v **string) {
	present := *v != nil
	c.Bool(&present)
	if c.decode {
		*v = nil
		if present && c.err == nil {
			*v = new(string)
		}
	}
	if *v != nil {
		c.String(*v)
	}
}

// Strings codes a list of strings.
func (c *Codec) Strings(v *[]string) {
	n := c.Count(len(*v), 4)
	if c.decode {
		*v = make([]string, n)
	}
	for i := 0; i < n && c.err == nil; i++ {
		c.String(&(*v)[i])
	}
}

// Count codes the number of elements of a list: it encodes n, or decodes and
// returns the number. An element takes at least size bytes.
func (c *Codec) Count(n, size int) int {
	if c.decode {
		return c.length(size)
	}
	u := uint32(n)
	c.Uint32(&u)
	return n
}

// List codes a list of structures, which take at least size bytes each.
func List[T any, P interface {
	*T
	Coder
}](c *Codec, v *[]T, size int) {
	n := c.Count(len(*v), size)
	if c.decode {
		*v = make([]T, n)
	}
	for i := 0; i < n && c.err == nil; i++ {
		P(&(*v)[i]).Code(c)
	}
}
