package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"unicode/utf16"

	"github.com/unboot/unboot/volume/internal/field"
)

// label returns a text field: up to the first NUL, without the padding.
func label(b block) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return trim(string(b))
}

// label16 is label for UTF-16.
func label16(b block, order binary.ByteOrder) string {
	units := make([]uint16, 0, len(b)/2)
	for i := 0; i+2 <= len(b); i += 2 {
		u := order.Uint16(b[i:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return trim(string(utf16.Decode(units)))
}

// trim takes white space off the end, as blkid does.
func trim(s string) string { return strings.TrimRight(s, " \t\n\v\f\r") }

// uuid spells the usual UUID of 16 bytes, lower case; "" for all zeros.
func uuid(b block) string {
	if len(b) != 16 || b.zero() {
		return ""
	}
	return field.UUID(b)
}

// guid spells a UUID that Microsoft stored: the first three numbers are
// little-endian.
func guid(b block) string {
	if len(b) != 16 || b.zero() {
		return ""
	}
	return field.GUID(b)
}

// textUUID returns a UUID that is stored as text, if it looks like one at all.
func textUUID(b block) string {
	s := label(b)
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return ""
		}
	}
	return s
}

// serial spells the 32-bit volume serial numbers of DOS.
func serial(n uint32) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%04X-%04X", n>>16, n&0xffff)
}

// mul multiplies a count by a unit, both of which the device claims. A product that does
// not fit cannot be a size, and becomes 0, which means an unknown one.
func mul(n, unit uint64) int64 {
	hi, lo := bits.Mul64(n, unit)
	if hi != 0 || lo > math.MaxInt64 {
		return 0
	}
	return int64(lo)
}

// power2 reports whether n is a power of two from lo to hi.
func power2(n, lo, hi uint64) bool { return n >= lo && n <= hi && n&(n-1) == 0 }
