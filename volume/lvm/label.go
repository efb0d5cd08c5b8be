package lvm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/unboot/unboot/volume"
)

const (
	sector     = volume.SectorSize
	uuidLen    = 32 // of a UUID without its hyphens, as it is on disk
	maxAreas   = 4  // metadata areas of a physical volume that are looked at; LVM makes two
	labelLines = 4  // sectors in which the label may be
)

// crc is LVM's checksum: CRC-32 with a start value of its own, which is not inverted.
func crc(data []byte) uint32 {
	const start = 0xf597a6cf
	return ^crc32.Update(^uint32(start), crc32.IEEETable, data)
}

// An Extent is a part of a device, in bytes.
type Extent struct{ Offset, Size int64 }

// label is what the header of a physical volume says.
type label struct {
	uuid       string
	size       int64 // of the device when the label was written
	data       []Extent
	areas      []Extent // metadata areas
	bootloader []Extent
	used       bool // the extension of the header says that it is in a group
}

// readLabel reads the first label of a device that is whole.
func readLabel(r io.ReaderAt, size int64) (*label, error) {
	head := make([]byte, min(labelLines*sector, max(size, 0)))
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("label: %w", err)
	}
	err := errors.New("it has no label of LVM2")
	for i := range len(head) / sector {
		s := head[i*sector:][:sector]
		switch {
		case string(s[:8]) != "LABELONE" || string(s[24:32]) != "LVM2 001":
		case binary.LittleEndian.Uint64(s[8:]) != uint64(i):
			err = fmt.Errorf("the label in sector %d is that of another sector", i)
		case crc(s[20:]) != binary.LittleEndian.Uint32(s[16:]):
			err = fmt.Errorf("the checksum of the label in sector %d is wrong", i)
		default:
			return parseLabel(s)
		}
	}
	return nil, err
}

// parseLabel reads the header of a physical volume in the sector of its label. Three lists
// of areas, each of which an entry without offset ends, follow its fixed part; the header's
// extension is between the second and the third.
func parseLabel(s []byte) (*label, error) {
	at := uint64(binary.LittleEndian.Uint32(s[20:]))
	if at < 32 || at+40 > sector {
		return nil, fmt.Errorf("the label points to %d for its header", at)
	}
	p := s[at:]
	l := &label{uuid: string(p[:uuidLen]), size: int64(min(binary.LittleEndian.Uint64(p[uuidLen:]), 1<<62))}
	if !validID(l.uuid) {
		return nil, fmt.Errorf("%q is not the UUID of a physical volume", l.uuid)
	}
	p = p[40:]
	if l.data, p = extents(p); p == nil {
		return nil, errors.New("the list of data areas has no end")
	}
	if l.areas, p = extents(p); p == nil {
		return nil, errors.New("the list of metadata areas has no end")
	}
	if len(p) >= 8 && binary.LittleEndian.Uint32(p) > 0 { // the version of the extension
		l.used = binary.LittleEndian.Uint32(p[4:])&1 != 0
		l.bootloader, _ = extents(p[8:])
	}
	return l, nil
}

// extents reads a list and returns what follows it, or nil if it does not end.
func extents(p []byte) (list []Extent, rest []byte) {
	for ; len(p) >= 16; p = p[16:] {
		offset, size := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[8:])
		if offset == 0 {
			return list, p[16:]
		}
		list = append(list, Extent{int64(min(offset, 1<<62)), int64(min(size, 1<<62))})
	}
	return list, nil
}
