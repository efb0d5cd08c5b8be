package hive

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Windows's limits on names, in units of UTF-16.
const (
	maxNodeName  = 255
	maxValueName = 16383
)

// units is a name as Windows sees it: UTF-16.
type units []uint16

// toUnits encodes a string. Bytes that are not UTF-8 become U+FFFD.
func toUnits(s string) units { return utf16.Encode([]rune(s)) }

// unitsOf decodes a name in the file: a byte each, or UTF-16.
func unitsOf(b []byte, compressed bool) units {
	if compressed {
		u := make(units, len(b))
		for i, c := range b {
			u[i] = uint16(c)
		}
		return u
	}
	u := make(units, len(b)/2)
	for i := range u {
		u[i] = le.Uint16(b[2*i:])
	}
	return u
}

// nameString decodes a name in the file.
func nameString(b []byte, compressed bool) string {
	if compressed && !slices.ContainsFunc(b, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return string(b)
	}
	return string(utf16.Decode(unitsOf(b, compressed)))
}

// encode returns the name as it is stored, compressed if it can be.
func (u units) encode() (b []byte, compressed bool) {
	if !slices.ContainsFunc(u, func(c uint16) bool { return c > 0xff }) {
		b = make([]byte, len(u))
		for i, c := range u {
			b[i] = byte(c)
		}
		return b, true
	}
	b = make([]byte, 2*len(u))
	for i, c := range u {
		le.PutUint16(b[2*i:], c)
	}
	return b, false
}

// upper returns the name in upper case.
func (u units) upper() units {
	v := make(units, len(u))
	for i, c := range u {
		v[i] = upperUnit(c)
	}
	return v
}

// compareStored compares a name in upper case with one in the file, whose case does
// not matter, in the order of subkey lists.
func (u units) compareStored(b []byte, compressed bool) int {
	n := len(b)
	if !compressed {
		n /= 2
	}
	for i := range min(len(u), n) {
		var c uint16
		if compressed {
			c = uint16(b[i])
		} else {
			c = le.Uint16(b[2*i:])
		}
		if c = upperUnit(c); c != u[i] {
			return int(u[i]) - int(c)
		}
	}
	return len(u) - n
}

// upperUnit is the table that Windows compares names with, which is Unicode's as far
// as a letter and its capital come in pairs: the dotless i, the long s and the micro
// sign have none. The pairs that came to Unicode after the table was made (Georgian,
// Cherokee) are left out.
func upperUnit(c uint16) uint16 {
	if c < 0x80 {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		return c
	}
	switch {
	case 0x10d0 <= c && c <= 0x10ff, 0x13f8 <= c && c <= 0x13fd, 0xab70 <= c && c <= 0xabbf:
		return c
	}
	up := unicode.ToUpper(rune(c))
	if up > 0xffff || unicode.ToLower(up) != rune(c) {
		return c
	}
	return uint16(up)
}

// hash is that of hash leaves, of a name in upper case.
func (u units) hash() (sum uint32) {
	for _, c := range u {
		sum = 37*sum + uint32(c)
	}
	return sum
}

// hint is the beginning of a name in fast leaves, zeros if it does not fit.
func (u units) hint() (hint [4]byte) {
	for i, c := range u[:min(4, len(u))] {
		if c > 0xff {
			return [4]byte{}
		}
		hint[i] = byte(c)
	}
	return hint
}

// checkName returns the name of a new node or value.
func checkName(name string, limit int) (units, error) {
	u := toUnits(name)
	switch {
	case !utf8.ValidString(name):
		return nil, fmt.Errorf("name %q is not UTF-8: %w", name, ErrInvalid)
	case len(u) > limit:
		return nil, fmt.Errorf("a name of %d characters: %w", len(u), ErrInvalid)
	case limit == maxNodeName && (name == "" || strings.Contains(name, `\`)):
		return nil, fmt.Errorf("name %q: %w", name, ErrInvalid)
	}
	return u, nil
}
