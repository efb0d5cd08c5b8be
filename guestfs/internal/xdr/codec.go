// Package xdr encodes and decodes the External Data Representation (RFC 4506), as
// far as the protocol of libguestfs uses it.
//
// A [Codec] goes both ways: the function that lists the fields of a structure
//
//	func (s *Xattr) Code(c *xdr.Codec) {
//		c.String(&s.Name)
//		c.Bytes(&s.Value)
//	}
//
// writes them when the codec encodes and sets them when it decodes, so that the two
// cannot disagree. The first error sticks; after it nothing is written or set any
// more. Decoding is strict: padding has to be zero, a bool 0 or 1, and a length or a
// count no greater than what the rest of the message can hold, which is checked
// before memory is taken.
package xdr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Limit is the size in bytes that no message of the protocol exceeds.
const Limit = 4 << 20

// Errors of a Codec; they come with the offset and more.
var (
	ErrShort = errors.New("message ends too early")
	ErrLong  = errors.New("message is longer than what it says")
	ErrValue = errors.New("invalid value in message")
	ErrLimit = errors.New("message is too large")
)

// A Codec encodes or decodes one message.
type Codec struct {
	buf    []byte
	pos    int // of what is decoded
	decode bool
	err    error
}

// Coder is a type whose fields a Codec can visit.
type Coder interface{ Code(*Codec) }

// NewEncoder returns a codec that appends to buf.
func NewEncoder(buf []byte) *Codec { return &Codec{buf: buf} }

// NewDecoder returns a codec that decodes message. What it yields are copies.
func NewDecoder(message []byte) *Codec { return &Codec{buf: message, decode: true} }

// Decoding reports whether c decodes.
func (c *Codec) Decoding() bool { return c.decode }

// Err returns the first error.
func (c *Codec) Err() error { return c.err }

// Fail makes c fail with err, if it has not failed before.
func (c *Codec) Fail(err error) {
	if c.err == nil {
		c.err = fmt.Errorf("offset %d: %w", c.offset(), err)
	}
}

func (c *Codec) offset() int {
	if c.decode {
		return c.pos
	}
	return len(c.buf)
}

// Result returns what was encoded.
func (c *Codec) Result() ([]byte, error) { return c.buf, c.err }

// Rest returns what is not decoded yet.
func (c *Codec) Rest() []byte { return c.buf[c.pos:] }

// End returns the first error, or that something of the message is left.
func (c *Codec) End() error {
	if c.err == nil && c.pos != len(c.buf) {
		c.Fail(ErrLong)
	}
	return c.err
}

// take returns the next n bytes of the message, or nil.
func (c *Codec) take(n int) []byte {
	if c.err != nil {
		return nil
	}
	if n > len(c.buf)-c.pos {
		c.Fail(ErrShort)
		return nil
	}
	b := c.buf[c.pos : c.pos+n : c.pos+n]
	c.pos += n
	return b
}

// room reports whether n more bytes may be encoded.
func (c *Codec) room(n int) bool {
	if c.err == nil && n > Limit-len(c.buf) {
		c.Fail(ErrLimit)
	}
	return c.err == nil
}

// Uint32 codes an unsigned int.
func (c *Codec) Uint32(v *uint32) {
	if c.decode {
		if b := c.take(4); b != nil {
			*v = binary.BigEndian.Uint32(b)
		}
	} else if c.room(4) {
		c.buf = binary.BigEndian.AppendUint32(c.buf, *v)
	}
}

// Uint64 codes an unsigned hyper.
func (c *Codec) Uint64(v *uint64) {
	if c.decode {
		if b := c.take(8); b != nil {
			*v = binary.BigEndian.Uint64(b)
		}
	} else if c.room(8) {
		c.buf = binary.BigEndian.AppendUint64(c.buf, *v)
	}
}

// Int32 codes an int.
func (c *Codec) Int32(v *int32) {
	u := uint32(*v)
	c.Uint32(&u)
	*v = int32(u)
}

// Int64 codes a hyper.
func (c *Codec) Int64(v *int64) {
	u := uint64(*v)
	c.Uint64(&u)
	*v = int64(u)
}

// Int codes an int of 32 bits; others cannot be encoded.
func (c *Codec) Int(v *int) {
	if *v < math.MinInt32 || *v > math.MaxInt32 {
		c.Fail(fmt.Errorf("%w: %d does not fit into 32 bits", ErrValue, *v))
		return
	}
	i := int32(*v)
	c.Int32(&i)
	*v = int(i)
}

// Bool codes a bool.
func (c *Codec) Bool(v *bool) {
	var u uint32
	if *v {
		u = 1
	}
	c.Uint32(&u)
	if u > 1 {
		c.Fail(fmt.Errorf("%w: bool is %d", ErrValue, u))
		return
	}
	*v = u == 1
}

// Char codes a char, which is an int on the wire.
func (c *Codec) Char(v *byte) {
	u := uint32(*v)
	c.Uint32(&u)
	*v = byte(u)
}

// Float codes a float.
func (c *Codec) Float(v *float32) {
	u := math.Float32bits(*v)
	c.Uint32(&u)
	*v = math.Float32frombits(u)
}
