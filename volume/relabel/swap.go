package relabel

import (
	"encoding/binary"
	"fmt"
)

// The header of a swap space, of linux/swap.h: after 1024 bytes for boot blocks come the
// version, the last page, the number of bad pages, UUID and label. At the end of the
// first page is the magic.
const (
	swapVersion = 1024
	swapLast    = 1028
	swapUUID    = 1036
	swapLabel   = 1052
	swapMagic   = "SWAPSPACE2"
	swapPage    = 4096
	swapMin     = 10 * swapPage // mkswap(8) refuses less
)

// swapPages are the sizes of pages of the machines that make swap spaces. The signature
// ends a page, so where it is depends on which machine made it.
var swapPages = []int64{4096, 8192, 16384, 32768, 65536}

func editSwap(d Device, f func(header []byte)) error {
	for _, page := range swapPages {
		magic := make([]byte, len(swapMagic))
		if err := readFull(d, magic, page-int64(len(magic))); err != nil {
			return err
		}
		if string(magic) != swapMagic {
			continue
		}
		header := make([]byte, 512)
		if err := readFull(d, header, swapVersion); err != nil {
			return err
		}
		f(header)
		_, err := d.WriteAt(header, swapVersion)
		return err
	}
	return ErrCorrupt
}

func setSwapLabel(d Device, label string) error {
	b, err := label16(label)
	if err != nil {
		return err
	}
	return editSwap(d, func(h []byte) { copy(h[swapLabel-swapVersion:], b[:]) })
}

func setSwapUUID(d Device, id [16]byte) error {
	return editSwap(d, func(h []byte) { copy(h[swapUUID-swapVersion:], id[:]) })
}

// MakeSwap makes a device of size bytes a swap space for pages of 4 KiB, as mkswap(8)
// does. The first KiB is for a boot block, and left alone.
func MakeSwap(d Device, size int64, label string, id [16]byte) error {
	b, err := label16(label)
	if err != nil {
		return err
	}
	if size < swapMin {
		return fmt.Errorf("%w size of a swap space: %d bytes, of which it needs %d", ErrInvalid, size, swapMin)
	}
	page := make([]byte, swapPage)
	binary.NativeEndian.PutUint32(page[swapVersion:], 1)
	binary.NativeEndian.PutUint32(page[swapLast:], uint32(min(size/swapPage, 1<<32)-1))
	copy(page[swapUUID:], id[:])
	copy(page[swapLabel:], b[:])
	copy(page[swapPage-len(swapMagic):], swapMagic)
	if err := readFull(d, page[:swapVersion], 0); err != nil {
		return err
	}
	_, err = d.WriteAt(page, 0)
	return err
}
