package ldm

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/part"
)

var be = binary.BigEndian

// block is the size of the structures, in bytes, whatever the disk's sectors are.
const block = 512

// A header is the private header of a disk (PRIVHEAD). It has the disk's identity, and says
// where its database and its data are.
type header struct {
	disk, group, name string
	sequence          uint64
	sector            int64 // in which the disk counts, in bytes
	dataStart, data   int64 // in bytes, as all that follows
	dbStart, db       int64
	tocs              [2]int64 // from the start of the database
	checked           bool     // the checksum is right
}

// readHeader returns the newest of the disk's headers. Windows keeps three.
func readHeader(m *volume.Member) (*header, error) {
	var best *header
	b := make([]byte, block)
	for _, off := range headerOffsets(m) {
		if m.ReadFull(b, off) != nil {
			continue
		}
		h := parseHeader(b, m.SectorSize)
		if h == nil {
			continue
		}
		if best == nil || h.checked && (!best.checked || h.sequence > best.sequence) {
			best = h
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no header of a dynamic disk (PRIVHEAD) is where it belongs")
	}
	if !best.checked {
		note(m, "the checksum of its header as a dynamic disk is wrong")
	}
	return best, nil
}

// headerOffsets returns where the headers can be. With an MBR they are in the sector 6 and
// in the database at the disk's end; with a GPT, in the partition that has the database.
func headerOffsets(m *volume.Member) []int64 {
	sector := int64(m.SectorSize)
	if t, err := part.Read(m.R, m.Size, m.SectorSize); err == nil && t.Type == "gpt" {
		for i := range t.Partitions {
			if p := &t.Partitions[i]; p.Type == typeMetadata {
				return []int64{p.End() - int64(t.SectorSize), p.Start + 1856*block}
			}
		}
	}
	return []int64{6 * sector, m.Size - sector, m.Size - 2048*block + 1856*block}
}

// typeMetadata is the type of the partition that has the database of a disk with a GPT.
const typeMetadata = "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3"

// parseHeader returns nil if there is no header that could be used.
func parseHeader(b []byte, sectorSize int) *header {
	if string(b[:8]) != "PRIVHEAD" || be.Uint16(b[0x0c:]) != 2 {
		return nil
	}
	h := &header{
		sequence: be.Uint64(b[0x18:]),
		disk:     guidText(b[0x30:0x70]),
		group:    guidText(b[0xb0:0xf0]),
		name:     cstring(b[0xf0:0x10f]),
		sector:   int64(sectorSize),
		checked:  checksum(b) == be.Uint32(b[8:]),
	}
	switch n := be.Uint32(b[0x10f:]); n {
	case 512, 1024, 2048, 4096:
		h.sector = int64(n) // the image of a disk may have come to sectors of another size
	}
	for i, to := range []*int64{&h.dataStart, &h.data, &h.dbStart, &h.db, &h.tocs[0], &h.tocs[1]} {
		n, ok := scale(be.Uint64(b[0x11b+8*i:]), h.sector)
		if !ok {
			return nil
		}
		*to = n
	}
	if h.disk == "" || h.group == "" || h.dataStart > math.MaxInt64-h.data || h.dbStart > math.MaxInt64-h.db {
		return nil
	}
	return h
}

// scale returns n units in bytes, and false if there are none so large.
func scale(n uint64, unit int64) (int64, bool) {
	if n > uint64(math.MaxInt64/unit) {
		return 0, false
	}
	return int64(n) * unit, true
}

// checksum returns the sum of the bytes of a block, without the sum itself.
func checksum(b []byte) uint32 {
	var sum uint32
	for i, c := range b[:block] {
		if i < 8 || i >= 12 {
			sum += uint32(c)
		}
	}
	return sum
}

// note adds a problem of a device, once.
func note(m *volume.Member, format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	for _, p := range m.Problems {
		if p == s {
			return
		}
	}
	m.Problems = append(m.Problems, s)
}

// cstring returns what is before the first zero byte.
func cstring(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return strings.ToValidUTF8(s, "\ufffd")
}

// guidText returns a GUID that stands as text, in lower case, or "".
func guidText(b []byte) string {
	s := strings.ToLower(cstring(b))
	if len(s) != 36 {
		return ""
	}
	for i, c := range s {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (c == '-') || !dash && !strings.ContainsRune("0123456789abcdef", c) {
			return ""
		}
	}
	return s
}
