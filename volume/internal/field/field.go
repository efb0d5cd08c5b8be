// Package field reads fields that the formats of several kinds of volumes have alike.
package field

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// UUID spells the 16 bytes of a UUID in their order, as RFC 9562 does.
func UUID(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// GUID spells a UUID as Microsoft and EFI store it: the first three of its numbers are
// little-endian.
func GUID(b []byte) string {
	le := binary.LittleEndian
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16])
}

// UTF16 returns text in little-endian UTF-16, up to its end or a zero. What is no text
// becomes U+FFFD.
func UTF16(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := binary.LittleEndian.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}
