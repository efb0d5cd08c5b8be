package luks

import (
	"fmt"
	"slices"
	"strings"
)

// An extent is a range of bytes, with what it is for messages.
type extent struct {
	name         string
	offset, size int64
}

// checkExtents returns an error if ranges do not lie between two offsets, or overlap.
func checkExtents(list []extent, from, to int64) error {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b extent) int {
		switch {
		case a.offset < b.offset:
			return -1
		case a.offset > b.offset:
			return 1
		}
		return 0
	})
	for i, e := range list {
		switch {
		case e.size <= 0:
			return fmt.Errorf("%s is empty", e.name)
		case e.offset < from:
			return fmt.Errorf("%s lies in the header", e.name)
		case e.size > to || e.offset > to-e.size:
			return fmt.Errorf("%s reaches past byte %d", e.name, to)
		case i > 0 && e.offset < list[i-1].offset+list[i-1].size:
			return fmt.Errorf("%s and %s overlap", list[i-1].name, e.name)
		}
	}
	return nil
}

// The names of ciphers become words of a table, so they are to have nothing in them that
// separates words.
func plainCipher(s string) bool {
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("_:(),-", r)
	}
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, odd)
}

// nullCipher reports whether a cipher encrypts nothing.
func nullCipher(s string) bool {
	return s == "null" || s == "cipher_null" || len(s) > 12 && s[:12] == "cipher_null-"
}

// isUUID reports whether a text has the form of a UUID, and can be a part of a name.
func isUUID(s string) bool {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(s) != len(form) {
		return false
	}
	for i := range len(form) {
		if isHex := strings.IndexByte("0123456789abcdefABCDEF", s[i]) >= 0; isHex != (form[i] == 'x') || !isHex && s[i] != '-' {
			return false
		}
	}
	return true
}
