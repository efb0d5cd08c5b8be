package luks

import (
	"fmt"
	"regexp"
	"slices"
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
var cipherName = regexp.MustCompile(`^[a-z0-9_:(),-]{1,100}$`)

func plainCipher(s string) bool { return cipherName.MatchString(s) }

// nullCipher reports whether a cipher encrypts nothing.
func nullCipher(s string) bool {
	return s == "null" || s == "cipher_null" || len(s) > 12 && s[:12] == "cipher_null-"
}

var uuidForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
