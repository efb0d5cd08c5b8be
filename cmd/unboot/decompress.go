package main

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// decompressed detects the compression of an archive by its first bytes, and undoes it
// if Go's standard library can. The name is not used: standard input has none. For other
// formats the error names the program to put before this one in a pipe.
func decompressed(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	// Six bytes are the longest of these signatures, that of xz. A shorter archive is
	// not an error here: the reader of the format reports it.
	magic, _ := br.Peek(6)
	hint := ""
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		// The tar reader asks for 512 bytes at a time.
		return bufio.NewReaderSize(z, 64<<10), nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bufio.NewReaderSize(bzip2.NewReader(br), 64<<10), nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		hint = "xz -dc"
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")):
		hint = "zstd -dc"
	case bytes.HasPrefix(magic, []byte("\x04\x22\x4d\x18")):
		hint = "lz4 -dc"
	case len(magic) == 0:
		return nil, errors.New("the archive is empty")
	default:
		return br, nil
	}
	return nil, fmt.Errorf("the archive is compressed (try %s FILE | unboot tar -x IMAGE:PATH)", hint)
}
