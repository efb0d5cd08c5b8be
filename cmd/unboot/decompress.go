package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/unboot/unboot/internal/compression"
)

// decompressed detects the compression of an archive by its first bytes, and undoes it.
// The name is not used: standard input has none.
func decompressed(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 256<<10)
	// Six bytes are the longest of these signatures, that of xz. A shorter archive is
	// not an error here: the reader of the format reports it.
	magic, _ := br.Peek(6)
	name := compression.Detect(magic)
	switch {
	case len(magic) == 0:
		return nil, errors.New("the archive is empty")
	case bytes.HasPrefix(magic, []byte("\x04\x22\x4d\x18")):
		return nil, errors.New("the archive is compressed (try lz4 -dc FILE | unboot tar -x IMAGE:PATH)")
	case name == "":
		return br, nil
	}
	z, err := compression.NewReader(name, br)
	if err != nil {
		return nil, err
	}
	// The tar reader asks for 512 bytes at a time.
	return bufio.NewReaderSize(z, 64<<10), nil
}
