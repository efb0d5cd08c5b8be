// Package filetype names the content of a file in the words of file(1): executables and
// libraries, scripts, text, compressed files, archives, pictures, and what is on a device.
//
// It follows the output of file(1) 5.44 with -b, and -z for what is compressed. Programs
// compare these texts, so a description is either the same as file(1) gives or, where the
// whole magic database would be needed, a shorter one that begins like it. Nothing of the
// content is trusted: each format reads a bounded piece of it.
package filetype

import (
	"bytes"
	"errors"
	"io"

	"github.com/unboot/unboot/internal/compression"
)

// headBytes is how much of a file is looked at; executables are read further.
const headBytes = 64 << 10

// Describe returns what "file -zb" prints for a regular file with this content. An error
// is one of r.
func Describe(r io.ReaderAt) (string, error) {
	head := make([]byte, headBytes)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	head = head[:n]
	// As with -z, the content comes first, and the compression in parentheses. A file that
	// only begins like a compressed one is described as what it looks like.
	outer := describe(head, r)
	// (It does not look into what lzop has compressed.)
	if method := compression.Detect(head); method != "" && method != "lzop" {
		if inner, ok := Unpacked(method, r); ok {
			return inner + " (" + outer + ")", nil
		}
	}
	return outer, nil
}

// Unpacked describes what is compressed in a file by a method that package compression
// knows. It reports false if the content is not compressed that way.
func Unpacked(method string, r io.ReaderAt) (string, bool) {
	z, err := compression.NewReader(method, io.NewSectionReader(r, 0, 1<<62))
	if err != nil {
		return "", false
	}
	head := make([]byte, headBytes)
	// A compressed file that was cut off is described by its beginning.
	n, err := io.ReadFull(z, head)
	if err != nil && err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", false
	}
	return describe(head[:n], bytes.NewReader(head[:n])), true
}
