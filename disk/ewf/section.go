package ewf

import (
	"encoding/binary"
	"hash/adler32"
	"math"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/nonzero"
)

const (
	signature   = "EVF\x09\x0d\x0a\xff\x00"
	headerSize  = 13
	sectionSize = 76 // of the descriptor that a section begins with

	maxSections = 1 << 20 // of a segment
	maxChunk    = 64 << 20
	// MaxTables is how many tables an image can have. One has the offsets of 16375
	// chunks, most often, which are 511 MiB of the disk.
	MaxTables = 1 << 20
)

var le = binary.LittleEndian

// A segment is one of the files of an image.
type segment struct {
	file   disk.Device
	number int
	last   bool    // no other one follows
	volume *volume // what it says of the disk, or nil
	tables []table
	hashes Hashes
}

// A table has the offsets of chunks that follow one another.
type table struct {
	segment *segment
	at      int64 // of the section
	entries int64
	base    int64
	first   int64 // the number of the first chunk, in the disk
	data    int64 // where the data of its chunks begins, and ends
	end     int64
	mirror  int64 // where a copy of the section is, or 0
	small   bool  // of EWF-S01: there is no checksum of the offsets
}

// Hashes are the hash sums of the disk that an image has, in bytes, or nil.
type Hashes struct{ MD5, SHA1 []byte }

// readSegment reads the sections of a segment, but not the tables.
func readSegment(d disk.Device) (*segment, error) {
	b := make([]byte, headerSize)
	if err := damage.ReadFull(d, b, 0, "header"); err != nil {
		return nil, err
	}
	s := &segment{file: d, number: int(le.Uint16(b[9:]))}
	switch {
	case !Match(b, nil):
		return nil, ErrFormat
	case s.number == 0:
		return nil, damage.Errorf("it says that it is segment 0")
	}
	data := int64(0) // where the section of the last chunks begins and ends
	dataEnd := int64(0)
	at := int64(headerSize)
	for range maxSections {
		kind, next, err := s.section(at, &data, &dataEnd)
		if err != nil {
			return nil, err
		}
		if kind == "next" || kind == "done" {
			s.last = kind == "done"
			return s, nil
		}
		if next <= at || next > d.Size()-sectionSize {
			return nil, damage.Errorf("the section %.16q at %d of segment %d is followed by one at %d of a file of %d bytes (was it truncated?)", kind, at, s.number, next, d.Size())
		}
		at = next
	}
	return nil, damage.Errorf("segment %d has more than %d sections", s.number, maxSections)
}

// section reads a section, and returns what it is and where the next one is.
func (s *segment) section(at int64, data, dataEnd *int64) (kind string, next int64, err error) {
	b := make([]byte, sectionSize)
	if err := damage.ReadFull(s.file, b, at, "section"); err != nil {
		return "", 0, err
	}
	if err := checksum(b, "section", at); err != nil {
		return "", 0, err
	}
	kind, _, _ = strings.Cut(string(b[:16]), "\x00")
	to, size := le.Uint64(b[16:]), le.Uint64(b[24:])
	if to > math.MaxInt64 {
		return "", 0, damage.Errorf("the section after the one at %d is at %d", at, to)
	}
	next = int64(to)
	body := at + sectionSize
	switch kind {
	case "sectors":
		*data, *dataEnd = body, max(next, at)
	case "table":
		err = s.table(at, next, *data, *dataEnd)
		*data = 0
	case "table2":
		if n := len(s.tables); n > 0 && s.tables[n-1].mirror == 0 {
			s.tables[n-1].mirror = at
		}
	case "volume", "disk", "data":
		// The others are copies of the first.
		if s.volume == nil {
			s.volume, err = readVolume(s.file, body, size)
		}
	case "hash":
		err = s.readHashes(body, 36, 0)
	case "digest":
		err = s.readHashes(body, 80, 16)
	}
	return kind, next, err
}

// table notes where a table is.
func (s *segment) table(at, next, data, dataEnd int64) error {
	b := make([]byte, tableHeader)
	if err := damage.ReadFull(s.file, b, at+sectionSize, "table"); err != nil {
		return err
	}
	t := table{segment: s, at: at, data: data, end: dataEnd, small: data == 0}
	if t.small { // of EWF-S01: the chunks follow the table
		t.end = next
	}
	base := le.Uint64(b[8:])
	t.entries, t.base = int64(le.Uint32(b)), int64(base)
	if err := checksum(b, "table", at+sectionSize); err != nil {
		return err
	}
	switch {
	case t.entries > maxEntries:
		return damage.Errorf("the table at %d has %d entries", at, t.entries)
	case base > math.MaxInt64/2 || t.end > s.file.Size():
		return damage.Errorf("the table at %d has the chunks from %d to %d of a file of %d bytes", at, base, t.end, s.file.Size())
	case t.entries == 0:
		return nil
	}
	if s.tables = append(s.tables, t); len(s.tables) > MaxTables {
		return damage.Errorf("more than %d tables", MaxTables)
	}
	return nil
}

// checksum verifies the Adler-32 that something ends with.
func checksum(b []byte, what string, at int64) error {
	n := len(b) - 4
	if got, want := adler32.Checksum(b[:n]), le.Uint32(b[n:]); got != want {
		return damage.Errorf("the %s at %d has the checksum %08x, not %08x", what, at, got, want)
	}
	return nil
}

// readHashes reads the section that ends with a checksum and has an MD5, and a SHA-1.
func (s *segment) readHashes(at, size, sha1 int64) error {
	b := make([]byte, size)
	if err := damage.ReadFull(s.file, b, at, "hash"); err != nil {
		return err
	}
	if err := checksum(b, "hash", at); err != nil {
		return err
	}
	if sum := b[:16]; nonzero.In(sum) {
		s.hashes.MD5 = sum
	}
	if sum := b[16:36]; sha1 > 0 && nonzero.In(sum) {
		s.hashes.SHA1 = sum
	}
	return nil
}
