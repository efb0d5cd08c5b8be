package btrfsstream

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// A Command is one step of a stream. It is valid until the next is read.
type Command struct {
	Kind  Kind
	attrs [maxAttr][]byte // nil if they are not given
	err   error           // the first of those that the methods had
}

// String returns the command's name, as the documentation has it.
func (c *Command) String() string { return c.Kind.String() }

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("command %d", uint16(k))
}

// Err returns the error of the first attribute that was asked for and is missing, or is
// not of its type.
func (c *Command) Err() error { return c.err }

// fail notes an error.
func (c *Command) fail(a Attr, what string) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s: attribute %d %s", ErrFormat, c, a, what)
	}
}

// Has reports whether an attribute is given.
func (c *Command) Has(a Attr) bool { return c.attrs[a] != nil }

// Bytes returns an attribute, which may be empty.
func (c *Command) Bytes(a Attr) []byte {
	if !c.Has(a) {
		c.fail(a, "is missing")
	}
	return c.attrs[a]
}

// sized returns an attribute of a size, of zeros after an error.
func (c *Command) sized(a Attr, size int) []byte {
	b := c.Bytes(a)
	if len(b) == size {
		return b
	}
	c.fail(a, fmt.Sprintf("has %d bytes instead of %d", len(b), size))
	return make([]byte, size)
}

// Uint64 returns an attribute that is a number.
func (c *Command) Uint64(a Attr) uint64 { return binary.LittleEndian.Uint64(c.sized(a, 8)) }

// Uint32 returns an attribute that is a number of 32 bits.
func (c *Command) Uint32(a Attr) uint32 { return binary.LittleEndian.Uint32(c.sized(a, 4)) }

// UUID returns an attribute that is one.
func (c *Command) UUID(a Attr) [16]byte { return [16]byte(c.sized(a, 16)) }

// Time returns an attribute that is a time.
func (c *Command) Time(a Attr) time.Time {
	b := c.sized(a, 12)
	nsec := binary.LittleEndian.Uint32(b[8:])
	if nsec >= 1e9 {
		c.fail(a, "is not a time")
		nsec = 0
	}
	return time.Unix(int64(binary.LittleEndian.Uint64(b)), int64(nsec))
}

// Text returns an attribute that is a name, a path or the target of a link.
func (c *Command) Text(a Attr) string {
	s := string(c.Bytes(a))
	const pathMax = 4096
	if strings.IndexByte(s, 0) >= 0 || len(s) >= pathMax {
		c.fail(a, "is not a path")
		return ""
	}
	return s
}
