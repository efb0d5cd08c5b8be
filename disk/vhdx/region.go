package vhdx

import (
	"fmt"
	"io"
	"slices"
)

// A span is a part of the file.
type span struct {
	what    string
	at, end int64
}

// regions are the parts of the file that the region table and the header name.
type regions struct {
	bat, metadata span
	all           []span // in the order of their offsets, with the log
}

const maxRegions = 2047

// readRegions reads the region table, or its copy where it is damaged.
func readRegions(r io.ReaderAt, h *header) (*regions, error) {
	b, err := regionTable(r, regionsAt1)
	if err != nil {
		var err2 error
		if b, err2 = regionTable(r, regionsAt2); err2 != nil {
			return nil, err
		}
	}
	t := &regions{all: []span{{"log", h.logAt, h.logAt + h.logLength}}}
	for e := b[16:][:32*le.Uint32(b[8:])]; len(e) > 0; e = e[32:] {
		id, at, n := GUID(e[:16]), le.Uint64(e[16:]), int64(le.Uint32(e[24:]))
		required := le.Uint32(e[28:])&1 != 0
		if at%mib != 0 || at < mib || at > maxFile || n%mib != 0 {
			return nil, damaged("the region %v has %d bytes at %d", id, n, at)
		}
		s := span{"region " + id.String(), int64(at), int64(at) + n}
		var known *span
		switch id {
		case regionBAT:
			s.what, known = "block allocation table", &t.bat
		case regionMetadata:
			s.what, known = "metadata region", &t.metadata
		default:
			if required {
				return nil, fmt.Errorf("%w: the region %v", ErrFeature, id)
			}
		}
		if known != nil && known.what != "" {
			return nil, damaged("there are two of the %s", s.what)
		}
		if known != nil {
			*known = s
		}
		t.all = append(t.all, s)
	}
	if t.bat.what == "" || t.metadata.what == "" {
		return nil, damaged("the region table has no block allocation table or no metadata")
	}
	slices.SortStableFunc(t.all, func(a, b span) int { return int(min(max(a.at-b.at, -1), 1)) })
	for i, s := range t.all[1:] {
		if before := t.all[i]; s.at < before.end && s.end > s.at {
			return nil, damaged("the %s at %d overlaps with the %s at %d", s.what, s.at, before.what, before.at)
		}
	}
	return t, nil
}

func regionTable(r io.ReaderAt, at int64) ([]byte, error) {
	b := make([]byte, regionsSize)
	if err := readFull(r, b, at, "region table"); err != nil {
		return nil, err
	}
	if string(b[:4]) != "regi" {
		return nil, damaged("there is no region table at %d", at)
	}
	if want, got := le.Uint32(b[checksumAt:]), checksum(b); want != got {
		return nil, damaged("the region table at %d has the checksum %#x, not %#x", at, got, want)
	}
	if n := le.Uint32(b[8:]); n > maxRegions {
		return nil, damaged("the region table at %d has %d entries", at, n)
	}
	return b, nil
}
