// Package dmname makes names for the device mapper.
package dmname

import (
	"fmt"
	"strings"
)

// Mangle writes the characters that libdevmapper has no place for in names as \xNN, as
// dmsetup(8) does. The result is up to four times as long, of the 127 bytes that there are.
func Mangle(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || strings.IndexByte("#+-.:=@_", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}
