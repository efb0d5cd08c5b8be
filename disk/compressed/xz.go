package compressed

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

// The format is that of "The .xz File Format", version 1.2.
const (
	xzHeader = 12 // bytes of a header, and of a footer
	xzMagic  = "\xfd7zXZ\x00"
	maxIndex = 64 << 20 // bytes
)

// indexXZ reads the indexes of the streams of a file, from its end on.
func indexXZ(d disk.Device) (pieces, error) {
	type block struct{ at, packed, size int64 }
	var blocks []block // from the last one on
	var flags []byte
	b := make([]byte, xzHeader)
	for end := d.Size(); end > 0; {
		if end < 2*xzHeader {
			return nil, errNoIndex
		}
		if err := below.ReadData(d, b, end-xzHeader); err != nil {
			return nil, err
		}
		if string(b[8:]) == "\x00\x00\x00\x00" { // padding between streams
			end -= 4
			continue
		}
		if string(b[10:]) != "YZ" || crc32.ChecksumIEEE(b[4:10]) != le.Uint32(b) {
			return nil, errNoIndex
		}
		size := (int64(le.Uint32(b[4:])) + 1) * 4
		if size > maxIndex || size > end-2*xzHeader {
			return nil, errNoIndex
		}
		index := make([]byte, size)
		at := end - xzHeader - size
		if err := below.ReadData(d, index, at); err != nil {
			return nil, err
		}
		records, err := parseXZ(index)
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Backward(records) {
			// Blocks are filled up to a multiple of four bytes.
			if at -= (r.packed + 3) &^ 3; at < xzHeader || len(blocks) == MaxPieces {
				return nil, errNoIndex
			}
			blocks = append(blocks, block{at, r.packed, r.size})
		}
		end = at - xzHeader
		if err := below.ReadData(d, b, end); err != nil {
			return nil, err
		}
		if flags == nil {
			flags = bytes.Clone(b[6:8])
		}
		// Streams whose checksums are not of one kind are too rare.
		if string(b[:6]) != xzMagic || !bytes.Equal(b[6:8], flags) {
			return nil, errNoIndex
		}
	}
	var list pieces
	for _, x := range slices.Backward(blocks) {
		if err := list.add(x.size, x.at, x.packed); err != nil {
			return nil, err
		}
	}
	return list, nil
}

type xzRecord struct{ packed, size int64 }

// parseXZ parses an index.
func parseXZ(b []byte) (list []xzRecord, err error) {
	sum := len(b) - 4
	if sum < 4 || b[0] != 0 || crc32.ChecksumIEEE(b[:sum]) != le.Uint32(b[sum:]) {
		return nil, errNoIndex
	}
	b = b[1:sum]
	number := func() int64 {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > 1<<62 {
			err = errNoIndex
			return 0
		}
		b = b[n:]
		return int64(v)
	}
	n := number()
	for i := int64(0); i < n && err == nil; i++ {
		r := xzRecord{number(), number()}
		if r.packed > maxPiece+maxPiece/8 {
			return nil, errNoIndex
		}
		list = append(list, r)
	}
	return list, err
}

// streamXZ returns a stream of one block: that of a file, between a header and an index of
// its own.
func streamXZ(d disk.Device, p *piece) (io.Reader, error) {
	// Its flags say how checksums are made, in all streams.
	header := make([]byte, xzHeader)
	if err := below.ReadData(d, header, 0); err != nil {
		return nil, err
	}
	index := []byte{0, 1}
	index = binary.AppendUvarint(index, uint64(p.packed))
	index = binary.AppendUvarint(index, uint64(p.size))
	index = append(index, make([]byte, -len(index)&3)...)
	index = le.AppendUint32(index, crc32.ChecksumIEEE(index))
	tail := le.AppendUint32(nil, uint32(len(index)/4-1))
	tail = append(tail, header[6:8]...)
	footer := append(le.AppendUint32(nil, crc32.ChecksumIEEE(tail)), tail...)
	footer = append(footer, "YZ"...)
	return io.MultiReader(bytes.NewReader(header), io.NewSectionReader(d, p.at, (p.packed+3)&^3),
		bytes.NewReader(index), bytes.NewReader(footer)), nil
}
