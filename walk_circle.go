package unboot

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A circle finds out whether a directory that is read whole has no end: a damaged file
// system may have the same entries come again and again, which would take all the
// memory there is. The zero value is ready.
type circle struct{ look int }

// manyEntries is from how many on a directory is looked at for having no end.
const manyEntries = 1 << 14

// check returns an error if most of the n entries that there are so far, whose names
// name returns, are not the first of their name.
func (c *circle) check(n int, name func(i int) string) error {
	c.look = max(c.look, manyEntries)
	if n < c.look {
		return nil
	}
	c.look *= 4
	seen := make(map[string]struct{}, n)
	for i := range n {
		seen[name(i)] = struct{}{}
	}
	if len(seen) > n/2 {
		return nil
	}
	return fmt.Errorf("the same entries come again and again: %w", unix.EUCLEAN)
}
