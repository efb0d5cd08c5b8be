package nbd

import "slices"

// maxPieces is how many pieces without a connection a reply may come in.
const maxPieces = 4096

// A coverage says which parts of a range have been received.
type coverage struct {
	size, sum int64
	parts     [][2]int64 // in order, with gaps between them
}

// add notes a part, which must not have been there before.
func (c *coverage) add(start, end int64) error {
	i, found := slices.BinarySearchFunc(c.parts, start, func(p [2]int64, start int64) int {
		switch {
		case p[1] < start:
			return -1
		case p[0] > start:
			return 1
		}
		return 0
	})
	// If found, part i begins at or before start, and ends there or later.
	if found && (c.parts[i][1] > start || c.parts[i][0] == start) {
		return violation("bytes that have been sent before")
	}
	next := i
	if found {
		next++
	}
	if next < len(c.parts) && c.parts[next][0] < end {
		return violation("bytes that have been sent before")
	}
	c.sum += end - start
	joins := next < len(c.parts) && c.parts[next][0] == end
	switch {
	case found && joins:
		c.parts[i][1] = c.parts[next][1]
		c.parts = slices.Delete(c.parts, next, next+1)
	case found:
		c.parts[i][1] = end
	case joins:
		c.parts[next][0] = start
	case len(c.parts) == maxPieces:
		return violation("an answer in more than %d pieces", maxPieces)
	default:
		c.parts = slices.Insert(c.parts, i, [2]int64{start, end})
	}
	return nil
}

// whole reports whether all has been received.
func (c *coverage) whole() bool { return c.sum == c.size }
