package disk

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Describe says of a disk of size bytes on which nothing was found, in words, what its
// beginning looks like: a text, or nothing but zeros. It is "" for everything else.
func Describe(r io.ReaderAt, size int64) string {
	head := make([]byte, max(0, min(size, 64<<10)))
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF || n == 0 {
		return ""
	}
	head = head[:n]
	if len(bytes.Trim(head, "\x00")) == 0 {
		return fmt.Sprintf("its first %d bytes are zeros", n)
	}
	head = head[:min(n, MinSize)]
	// A character may be cut off at the end.
	for i := 1; i < utf8.UTFMax && i < len(head) && !utf8.Valid(head); i++ {
		head = head[:len(head)-1]
	}
	control := func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) && r != '\x1b' }
	if !utf8.Valid(head) || bytes.ContainsFunc(head, control) {
		return ""
	}
	line, _, _ := strings.Cut(trimText(head), "\n")
	line = strings.TrimSpace(line)
	if r := []rune(line); len(r) > 60 {
		line = string(r[:60]) + "…"
	}
	return fmt.Sprintf("it is a text that begins with %q", line)
}
