// Package cpio reads and writes archives of cpio(1), and reads the initrds that are made of
// them.
//
// The format is the "new ASCII" one of cpio(5): a header of a magic number and thirteen
// numbers of eight hexadecimal digits, the name with a NUL, zeros up to a multiple of four
// bytes, and the content, padded likewise. How archives follow one another in an initrd is
// in the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
package cpio

import "errors"

const (
	magicNewc = "070701"
	magicCRC  = "070702" // with a sum of the content's bytes

	headerBytes = 110
	trailer     = "TRAILER!!!"
	blockBytes  = 512 // the length of an archive is a multiple of it
)

// ErrFormat is the error of what is not an archive, or a damaged one.
var ErrFormat = errors.New("not an archive of cpio, or a damaged one")

// ErrCompression is the error of an initrd whose compression is not known here.
var ErrCompression = errors.New("it is compressed by lz4 or lzma, which is not available in unboot")

// ErrTooLarge is the error of a file that the format cannot hold: 4 GiB or more.
var ErrTooLarge = errors.New("the file is too large for the format")
