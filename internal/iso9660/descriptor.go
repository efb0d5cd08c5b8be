// Package iso9660 reads what the primary volume descriptor of an ISO 9660 (ECMA-119) says,
// as isoinfo(1) with -d. Package volume/probe recognizes the file system; this is the rest.
package iso9660

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"time"
)

// ErrNotISO is the error of what does not begin as an ISO 9660.
var ErrNotISO = errors.New("not an ISO 9660")

// A Descriptor is a primary volume descriptor. Texts are without the blanks after them, and
// valid UTF-8.
type Descriptor struct {
	System, Volume, VolumeSet                      string
	Publisher, DataPreparer, Application           string
	CopyrightFile, AbstractFile, BibliographicFile string
	Blocks                                         uint32    // of the volume
	BlockSize                                      uint32    // bytes
	SetSize, SequenceNumber                        uint32    // volumes of the set, and which one this is
	Created, Modified, Expires, Effective          time.Time // zero if they are not recorded
}

const (
	sectorSize = 2048
	start      = 16 * sectorSize
)

// Read reads the descriptor of a volume. The error is [ErrNotISO] or that of the reader.
func Read(r io.ReaderAt) (*Descriptor, error) {
	b := make([]byte, sectorSize)
	if _, err := r.ReadAt(b, start); errors.Is(err, io.EOF) {
		return nil, ErrNotISO
	} else if err != nil {
		return nil, err
	}
	return parse(b)
}

// parse parses a primary volume descriptor, ECMA-119 8.4, of one sector. Numbers stand there
// in both byte orders, the little one first.
func parse(b []byte) (*Descriptor, error) {
	const primary = 1
	if b[0] != primary || string(b[1:6]) != "CD001" {
		return nil, ErrNotISO
	}
	text := func(at, size int) string {
		s, _, _ := bytes.Cut(b[at:at+size], []byte{0})
		return strings.ToValidUTF8(strings.TrimRight(string(s), " "), "\ufffd")
	}
	u16 := func(at int) uint32 { return uint32(binary.LittleEndian.Uint16(b[at:])) }
	return &Descriptor{
		System: text(8, 32), Volume: text(40, 32), VolumeSet: text(190, 128),
		Publisher: text(318, 128), DataPreparer: text(446, 128), Application: text(574, 128),
		CopyrightFile: text(702, 37), AbstractFile: text(739, 37), BibliographicFile: text(776, 37),
		Blocks: binary.LittleEndian.Uint32(b[80:]), BlockSize: u16(128), SetSize: u16(120), SequenceNumber: u16(124),
		Created: date(b[813:]), Modified: date(b[830:]), Expires: date(b[847:]), Effective: date(b[864:]),
	}, nil
}

// date parses a date, ECMA-119 8.4.26.1: digits, and a signed byte of quarters of an hour that
// it is ahead of UTC.
func date(b []byte) time.Time {
	t, err := time.Parse("20060102150405", string(b[:14]))
	if err != nil {
		return time.Time{}
	}
	return t.Add(-time.Duration(int8(b[16])) * 15 * time.Minute)
}
