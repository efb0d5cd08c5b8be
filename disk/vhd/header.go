package vhd

import (
	"math/bits"

	"github.com/unboot/unboot/disk"
)

const (
	headerSize       = 1024
	headerCookie     = "cxsparse"
	headerVersion    = 0x0001_0000
	headerChecksumAt = 36
	parentNameAt     = 64
	parentNameSize   = 512
	locatorsAt       = 576
	locatorSize      = 24
	locators         = 8

	unused = 1<<32 - 1 // a block that is not in the image
)

// A header describes the blocks of an image that is not fixed.
type header struct {
	table   int64 // offset of the block allocation table
	entries int64 // of it
	block   int64 // size of a block without its bitmap, in bytes
	shift   uint  // its logarithm
	bitmap  int64 // size of the bitmap before each block, in bytes

	parentID   [16]byte
	parentTime uint32 // seconds since the epoch, or 0
	parentName []byte // UTF-16
	locators   []byte
}

// readHeader reads the dynamic header that a footer points to, for a disk of size bytes.
func readHeader(d disk.Device, f *Footer, size int64) (*header, error) {
	if f.header > maxFile {
		return nil, damaged("the dynamic header is at %d", f.header)
	}
	b := make([]byte, headerSize)
	if err := readFull(d, b, int64(f.header), "dynamic header"); err != nil {
		return nil, err
	}
	if string(b[:8]) != headerCookie {
		return nil, damaged("there is no dynamic header at %d", f.header)
	}
	if want, got := be.Uint32(b[headerChecksumAt:]), checksum(b, headerChecksumAt); want != got {
		return nil, damaged("the dynamic header has the checksum %#x, not %#x", got, want)
	}
	if v := be.Uint32(b[24:]); v>>16 != headerVersion>>16 {
		return nil, damaged("the dynamic header is of version %d.%d", v>>16, v&0xffff)
	}
	h := &header{
		entries: int64(be.Uint32(b[28:])), block: int64(be.Uint32(b[32:])),
		parentID: [16]byte(b[40:56]), parentTime: be.Uint32(b[56:]),
		parentName: b[parentNameAt:][:parentNameSize], locators: b[locatorsAt:][:locators*locatorSize],
	}
	table := be.Uint64(b[16:])
	switch {
	case table > maxFile || table%sector != 0:
		return nil, damaged("the block allocation table is at %d", table)
	case h.block < sector || h.block&(h.block-1) != 0:
		return nil, damaged("blocks of %d bytes", h.block)
	}
	h.table = int64(table)
	h.shift = uint(bits.TrailingZeros64(uint64(h.block)))
	h.bitmap = roundUp(h.block/sector, 8*sector) / 8
	if need := h.blocks(size); h.entries < need {
		return nil, damaged("the block allocation table has %d entries, too few for a disk of %d bytes", h.entries, size)
	}
	if end := h.table + h.blocks(size)*4; end > d.Size() {
		return nil, damaged("the block allocation table ends at %d, past the end of the file", end)
	}
	return h, nil
}

// maxFile bounds offsets in a file: all that entries of the table can point to.
const maxFile = 1 << 42

// blocks returns how many blocks a disk of size bytes has.
func (h *header) blocks(size int64) int64 { return (size + h.block - 1) >> h.shift }

// roundUp rounds up to a multiple of unit.
func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
