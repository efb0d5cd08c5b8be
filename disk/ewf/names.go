package ewf

import (
	"fmt"
	"strings"
)

// extension returns the extension of a segment, from the letter of the first one on: E01 to
// E99, EAA to EZZ, FAA to ZZZ.
func extension(letter byte, number int) (string, bool) {
	if number <= 99 {
		return fmt.Sprintf("%c%02d", letter, number), true
	}
	a := letter&0x20 | 'A'
	n := number - 100
	first := int(letter) + n/(26*26)
	if first > int(a)+25 {
		return "", false
	}
	return string([]byte{byte(first), a + byte(n/26%26), a + byte(n%26)}), true
}

// segmentName returns the name of a segment, by the name of another one, whose number is
// have. It is false if that name has no extension of the format, or not that of its number.
func segmentName(name string, have, want int) (string, bool) {
	if len(name) < 4 || name[len(name)-4] != '.' {
		return "", false
	}
	stem, ext := name[:len(name)-3], name[len(name)-3:]
	for _, letter := range "EeSs" {
		if got, ok := extension(byte(letter), have); ok && got == ext {
			wanted, ok := extension(byte(letter), want)
			return stem + wanted, ok
		}
	}
	// Letters of both cases, as in .Ead.
	for _, letter := range "ES" {
		if got, ok := extension(byte(letter), have); ok && strings.EqualFold(got, ext) {
			wanted, ok := extension(byte(letter), want)
			return stem + wanted, ok
		}
	}
	return "", false
}
