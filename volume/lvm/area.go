package lvm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A MetadataArea is a place on a physical volume for the text of its group's metadata.
type MetadataArea struct {
	Extent
	// Free is what lvm(8) calls the free space in it, in bytes: texts are to fit twice.
	Free int64
	// Ignored says that LVM does not keep the text in it, to write less.
	Ignored bool
	// Err says why nothing could be read from it, or is nil.
	Err error

	text location // of the committed text
}

// A location is where in a metadata area a text is. Its size is 0 if there is none.
type location struct {
	offset, size int64
	crc          uint32
}

const (
	areaHeader = 512
	areaMagic  = " LVM2 x[5A%r0N*>"
)

// readArea reads the header of the metadata area at the place that the label names.
func readArea(r io.ReaderAt, at Extent, device int64) *MetadataArea {
	a := &MetadataArea{Extent: at}
	a.Err = a.readHeader(r, device)
	return a
}

func (a *MetadataArea) readHeader(r io.ReaderAt, device int64) error {
	if a.Offset > device-areaHeader {
		return fmt.Errorf("the metadata area at %d is past the end of the device", a.Offset)
	}
	h := make([]byte, areaHeader)
	if _, err := r.ReadAt(h, a.Offset); err != nil && err != io.EOF {
		return fmt.Errorf("metadata area at %d: %w", a.Offset, err)
	}
	le := binary.LittleEndian
	start, size := le.Uint64(h[24:]), le.Uint64(h[32:])
	switch {
	case string(h[4:20]) != areaMagic:
		return fmt.Errorf("the metadata area at %d has no header", a.Offset)
	case crc(h[4:]) != le.Uint32(h):
		return fmt.Errorf("the checksum of the metadata area at %d is wrong", a.Offset)
	case le.Uint32(h[20:]) != 1:
		return fmt.Errorf("the metadata area at %d has version %d", a.Offset, le.Uint32(h[20:]))
	case start != uint64(a.Offset):
		return fmt.Errorf("the metadata area at %d says that it is at %d", a.Offset, start)
	case size < 3*areaHeader || size > uint64(device-a.Offset):
		return fmt.Errorf("the metadata area at %d cannot have %d bytes", a.Offset, size)
	}
	a.Size = int64(size)
	a.Ignored = le.Uint32(h[60:])&1 != 0
	offset, n := le.Uint64(h[40:]), le.Uint64(h[48:])
	if offset == 0 {
		n = 0 // no text was ever committed to it
	} else if offset < areaHeader || offset >= size || n > size-areaHeader {
		return fmt.Errorf("the text of the metadata area at %d is outside it", a.Offset)
	}
	a.text = location{int64(offset), int64(n), le.Uint32(h[56:])}
	// LVM keeps a text whole while it writes the next, and begins each in a new sector.
	a.Free = max((a.Size-areaHeader)/2-sector-int64(n), 0) / sector * sector
	return nil
}

// read returns the text, whose second part is after the header if it does not fit before
// the area's end.
func (a *MetadataArea) read(r io.ReaderAt) ([]byte, error) {
	if a.text.size > maxText {
		return nil, fmt.Errorf("the metadata has %d bytes, and %d are the limit", a.text.size, maxText)
	}
	b := make([]byte, a.text.size)
	first := min(a.text.size, a.Size-a.text.offset)
	if _, err := r.ReadAt(b[:first], a.Offset+a.text.offset); err != nil && err != io.EOF {
		return nil, fmt.Errorf("metadata at %d: %w", a.Offset+a.text.offset, err)
	}
	if _, err := r.ReadAt(b[first:], a.Offset+areaHeader); err != nil && err != io.EOF {
		return nil, fmt.Errorf("metadata at %d: %w", a.Offset+areaHeader, err)
	}
	if crc(b) != a.text.crc {
		return nil, errors.New("the checksum of the metadata is wrong")
	}
	return b, nil
}
