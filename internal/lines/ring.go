package lines

import "bytes"

// A ring holds the last lines.
type ring struct {
	lines [][]byte
	size  int
}

// push adds a line, and returns the one that n lines have come after.
func (r *ring) push(line []byte, n int) (old []byte, full bool) {
	r.lines = append(r.lines, bytes.Clone(line))
	r.size += len(line)
	if len(r.lines) <= n {
		return nil, false
	}
	old = r.lines[0]
	r.lines = r.lines[1:]
	r.size -= len(old)
	return old, true
}

// maxRing bounds the memory of a ring, in bytes.
const maxRing = 64 << 20

func (r *ring) err() error {
	if r.size+len(r.lines)*64 > maxRing {
		return ErrTooMany
	}
	return nil
}
