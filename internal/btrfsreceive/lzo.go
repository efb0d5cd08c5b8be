package btrfsreceive

import (
	"encoding/binary"
	"errors"

	"github.com/unboot/unboot/internal/compression/lzo"
)

// errLZO is the error of data that is not what fs/btrfs/lzo.c of the kernel writes.
var errLZO = errors.New("the data is not compressed by LZO")

// unlzo decompresses an extent: its length and that of each block, in 4 bytes, which never
// cross the end of a block of the compressed data.
func unlzo(plain, data []byte, block int) error {
	if len(data) < 4 {
		return errLZO
	}
	total := int(binary.LittleEndian.Uint32(data))
	if total < 4 || total > len(data) {
		return errLZO
	}
	for at := 4; at < total && len(plain) > 0; {
		if room := block - at%block; room < 4 {
			at += room
		}
		if at+4 > total {
			return errLZO
		}
		size := int(binary.LittleEndian.Uint32(data[at:]))
		if at += 4; size < 0 || size > total-at {
			return errLZO
		}
		n, err := lzo.Decompress(plain[:min(block, len(plain))], data[at:at+size])
		if err != nil {
			return errLZO
		}
		plain, at = plain[n:], at+size
	}
	return nil
}
