package compressed

import (
	"encoding/binary"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/below"
)

var le = binary.LittleEndian

// indexBGZF finds the blocks of bgzip(1): gzip files of up to 64 KiB that say how large they
// are. (SAMv1 specification, 4.1.)
func indexBGZF(d disk.Device) (list pieces, err error) {
	const header, trailer = 18, 4
	b := make([]byte, header)
	size := d.Size()
	for at := int64(0); at < size; {
		if err := below.ReadData(d, b, at); err != nil {
			return nil, err
		}
		if string(b[:4]) != "\x1f\x8b\x08\x04" || string(b[10:16]) != "\x06\x00BC\x02\x00" {
			return nil, errNoIndex
		}
		packed := int64(le.Uint16(b[16:])) + 1
		if packed < header+trailer || packed > size-at {
			return nil, errNoIndex
		}
		if err := below.ReadData(d, b[:trailer], at+packed-trailer); err != nil {
			return nil, err
		}
		n := int64(le.Uint32(b))
		if n > 1<<16 {
			return nil, errNoIndex
		}
		if err := list.add(n, at, packed); err != nil {
			return nil, err
		}
		at += packed
	}
	return list, nil
}

// indexZstd reads the table of the seekable format: sizes of frames, in a frame that decoders
// skip, at the end. (facebook/zstd, contrib/seekable_format.)
func indexZstd(d disk.Device) (list pieces, err error) {
	const (
		footer, header = 9, 8
		magicFooter    = 0x8F92EAB1
		magicTable     = 0x184D2A5E
	)
	b := make([]byte, footer)
	size := d.Size()
	if err := below.ReadData(d, b, size-footer); err != nil {
		return nil, err
	}
	if le.Uint32(b[5:]) != magicFooter || b[4]&0x7c != 0 {
		return nil, errNoIndex
	}
	frames, entry := int64(le.Uint32(b)), int64(8)
	if b[4]&0x80 != 0 {
		entry += 4 // a checksum
	}
	end := size - footer - frames*entry - header
	if frames > MaxPieces || end < 0 {
		return nil, errNoIndex
	}
	table := make([]byte, header+frames*entry)
	if err := below.ReadData(d, table, end); err != nil {
		return nil, err
	}
	if le.Uint32(table) != magicTable || int64(le.Uint32(table[4:])) != frames*entry+footer {
		return nil, errNoIndex
	}
	at := int64(0)
	for t := table[header:]; len(t) > 0; t = t[entry:] {
		packed := int64(le.Uint32(t))
		if err := list.add(int64(le.Uint32(t[4:])), at, packed); err != nil {
			return nil, err
		}
		at += packed
	}
	if at != end {
		return nil, errNoIndex
	}
	return list, nil
}
