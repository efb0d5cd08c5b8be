// Package lzop reads the files of lzop(1): members one after another, each a header and blocks
// that are compressed by LZO1X alone, or stored, with the checksums that the header says. All
// of them are verified.
package lzop

import (
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"
)

// Magic is what a member begins with.
const Magic = "\x89LZO\x00\r\n\x1a\n"

// MaxBlock is how large a block may be in bytes. lzop(1) makes blocks of 256 KiB.
const MaxBlock = 64 << 20

var (
	// ErrCorrupt is returned for what is not a file of lzop(1), or was cut off.
	ErrCorrupt = errors.New("corrupt lzop file")
	// ErrChecksum is returned for a header or a block that is not what its checksum is of.
	ErrChecksum = errors.New("wrong checksum")
	// ErrUnsupported is returned for a member that was filtered, or not compressed by LZO1X.
	ErrUnsupported = errors.New("unsupported kind of lzop file")
)

// corrupt returns an error that says what is wrong.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// readFull reads all of p. That the file has ended before is its fault.
func readFull(r io.Reader, p []byte, what string) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return corrupt("it is cut off in %s", what)
	}
	return err
}

// A checksum is a kind of checksum that a member may have, and the flags that say so.
type checksum struct {
	name        string
	plain, pack uint32 // the flag of those of what is in a block, and of how it is packed
	new         func() hash.Hash32
}

// checksums are in the order in which a block has them.
var checksums = []checksum{
	{"adler32", 1 << 0, 1 << 1, adler32.New},
	{"crc32", 1 << 8, 1 << 9, crc32.NewIEEE},
}
