package rpmdb

import (
	"bytes"
	"encoding/binary"
)

// Tags of a header, from rpmtag.h.
const (
	TagName        = 1000
	TagVersion     = 1001
	TagRelease     = 1002
	TagEpoch       = 1003
	TagSummary     = 1004
	TagDescription = 1005
	TagVendor      = 1011
	TagLicense     = 1014
	TagPackager    = 1015
	TagURL         = 1020
	TagArch        = 1022
	TagSourceRPM   = 1044
)

// The types of values that are looked at.
const (
	typeInt32       = 4
	typeString      = 6
	typeStringArray = 8
	typeI18NString  = 9
)

const (
	indexEntry = 16    // bytes: tag, type, offset, count
	maxIndex   = 65535 // entries, as RPM has it
)

// Header is one package's header. Its methods look for a tag each time; a header has
// some dozens.
type Header struct {
	index []byte
	data  []byte
}

// ParseHeader finds the parts of a header as a database has it: two lengths, an index
// and the data, all in big endian. See "header format" in RPM's documentation. The
// result refers to blob.
func ParseHeader(blob []byte) (*Header, error) {
	if len(blob) < 8 {
		return nil, corrupt("a header of %d bytes", len(blob))
	}
	entries, size := int64(binary.BigEndian.Uint32(blob)), int64(binary.BigEndian.Uint32(blob[4:]))
	if entries == 0 || entries > maxIndex || 8+entries*indexEntry+size > int64(len(blob)) {
		return nil, corrupt("a header of %d bytes with %d entries and %d bytes of data", len(blob), entries, size)
	}
	blob = blob[8:]
	return &Header{blob[:entries*indexEntry], blob[entries*indexEntry:][:size]}, nil
}

// find returns the type and the data of a tag from its start.
func (h *Header) find(tag uint32) (kind uint32, data []byte) {
	for e := h.index; len(e) >= indexEntry; e = e[indexEntry:] {
		if binary.BigEndian.Uint32(e) != tag {
			continue
		}
		off, count := binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])
		if int64(off) >= int64(len(h.data)) || count == 0 {
			return 0, nil
		}
		return binary.BigEndian.Uint32(e[4:]), h.data[off:]
	}
	return 0, nil
}

// String returns the string of a tag, the first one if there are several, which is the
// one that is not translated. It is "" if the header has none.
func (h *Header) String(tag uint32) string {
	switch kind, data := h.find(tag); kind {
	case typeString, typeStringArray, typeI18NString:
		if end := bytes.IndexByte(data, 0); end >= 0 {
			return string(data[:end])
		}
	}
	return ""
}

// Int returns the first 32-bit number of a tag.
func (h *Header) Int(tag uint32) (n uint32, ok bool) {
	kind, data := h.find(tag)
	if kind != typeInt32 || len(data) < 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(data), true
}
