package hive

import (
	"bytes"
	"cmp"
	"fmt"
	"math/bits"
	"slices"
)

// Kinds of log, in hdrFileType.
const (
	logOld = 1 // one set of dirty pages; until Windows 8
	logNew = 6 // entries with sequence numbers
)

const logSector = 512

// Recover brings a dirty hive to the state that its transaction logs have, as
// Windows does when it loads one: .LOG1 and .LOG2, or .LOG, of either format and in any
// order; an empty log is none. It returns the whole hive, to be opened by [Parse], and
// how many changes were applied. None are applied to a hive that is clean. One that is
// dirty, but has no log that belongs to it, comes back as it was.
//
// The arguments are not changed. The result may share the memory of the first.
func Recover(primary []byte, logs ...[]byte) (data []byte, applied int, err error) {
	if len(primary) < headerSize {
		return nil, 0, fmt.Errorf("recover hive: %w: %d bytes", ErrNotHive, len(primary))
	}
	valid := string(primary[:4]) == "regf" && checksum(primary) == le.Uint32(primary[hdrChecksum:])
	one, two := le.Uint32(primary[hdrSequence1:]), le.Uint32(primary[hdrSequence2:])
	if valid && one == two {
		return primary, 0, nil
	}
	var entries []*logEntry
	var older [][]byte
	room := 0
	for _, log := range logs {
		room += len(log)
		if len(log) <= logSector || string(log[:4]) != "regf" || checksum(log) != le.Uint32(log[hdrChecksum:]) {
			continue
		}
		switch le.Uint32(log[hdrFileType:]) {
		case logNew:
			entries = append(entries, logEntries(log)...)
		case logOld:
			older = append(older, log)
		}
	}
	if entries = inSequence(entries, valid, two); len(entries) == 0 {
		for _, log := range older {
			if e := oldEntry(log, primary, valid); e != nil {
				entries = []*logEntry{e}
				break
			}
		}
	}
	if len(entries) == 0 {
		return primary, 0, nil
	}
	// What is new in a hive that grew is in its logs. They cannot make it grow to any
	// size.
	room = len(primary) + 16*room
	entries = slices.DeleteFunc(entries, func(e *logEntry) bool { return headerSize+e.size > room })
	if len(entries) == 0 {
		return primary, 0, nil
	}
	data = bytes.Clone(primary)
	if !valid {
		copy(data, entries[0].base)
		le.PutUint32(data[hdrFileType:], 0)
	}
	for _, e := range entries {
		if grow := headerSize + e.size - len(data); grow > 0 {
			data = append(data, make([]byte, grow)...)
		}
		for _, p := range e.pages {
			copy(data[headerSize+p.off:], p.data)
		}
		le.PutUint32(data[hdrBinsSize:], uint32(e.size))
		le.PutUint32(data[hdrSequence1:], e.sequence)
		le.PutUint32(data[hdrSequence2:], e.sequence)
	}
	le.PutUint32(data[hdrChecksum:], checksum(data))
	return data, len(entries), nil
}

// A logEntry is a change that is to be there as a whole or not at all.
type logEntry struct {
	base     []byte // of its log: the header that the hive had
	sequence uint32
	size     int // of the bins, once it is applied
	pages    []logPage
}

type logPage struct {
	off  int // past the header
	data []byte
}

// logEntries returns the entries of a new log that follow each other.
func logEntries(log []byte) (entries []*logEntry) {
	next := le.Uint32(log[hdrSequence1:])
	for rest := log[logSector:]; ; {
		e, n := newEntry(rest)
		if e == nil || e.sequence != next {
			return entries // what follows is older, or was not written to its end
		}
		e.base = log[:logSector]
		entries = append(entries, e)
		rest = rest[n:]
		next++
	}
}

// newEntry reads an entry of a new log, nil if there is none.
func newEntry(b []byte) (*logEntry, int) {
	const (
		size      = 4
		sequence  = 12
		binsSize  = 16
		pageCount = 20
		hash1     = 24
		hash2     = 32
		header    = 40
	)
	if len(b) < header || string(b[:4]) != "HvLE" {
		return nil, 0
	}
	n := int64(le.Uint32(b[size:]))
	if n < header || n%logSector != 0 || n > int64(len(b)) {
		return nil, 0
	}
	b = b[:n]
	if marvin32(marvinSeed, b[header:]) != le.Uint64(b[hash1:]) || marvin32(marvinSeed, b[:hash2]) != le.Uint64(b[hash2:]) {
		return nil, 0
	}
	bins, count := int64(le.Uint32(b[binsSize:])), int64(le.Uint32(b[pageCount:]))
	if bins%binAlign != 0 || bins > MaxSize-headerSize || count > (n-header)/8 {
		return nil, 0
	}
	e := &logEntry{sequence: le.Uint32(b[sequence:]), size: int(bins)}
	refs, data := b[header:header+8*count], b[header+8*count:]
	for ; len(refs) > 0; refs = refs[8:] {
		off, length := int64(le.Uint32(refs)), int64(le.Uint32(refs[4:]))
		if length > int64(len(data)) || off+length > bins {
			return nil, 0
		}
		e.pages = append(e.pages, logPage{int(off), data[:length]})
		data = data[length:]
	}
	return e, int(n)
}

// inSequence returns which entries of all logs are to be applied, in their order:
// those from sequence number first on, as far as none is missing. If the hive's own
// header is lost there is no such number, and only the latest log is good.
func inSequence(entries []*logEntry, valid bool, first uint32) []*logEntry {
	if len(entries) == 0 {
		return nil
	}
	if !valid {
		last := slices.MaxFunc(entries, func(a, b *logEntry) int { return cmp.Compare(a.sequence, b.sequence) })
		return slices.DeleteFunc(entries, func(e *logEntry) bool { return &e.base[0] != &last.base[0] })
	}
	slices.SortStableFunc(entries, func(a, b *logEntry) int { return cmp.Compare(a.sequence, b.sequence) })
	entries = slices.DeleteFunc(entries, func(e *logEntry) bool { return e.sequence < first })
	for i, e := range entries {
		if i > 0 && e.sequence != entries[i-1].sequence+1 {
			return entries[:i]
		}
	}
	return entries
}

// oldEntry returns what an old log holds, nil if it does not belong to the hive.
func oldEntry(log, primary []byte, valid bool) *logEntry {
	when := le.Uint64(primary[hdrTime:])
	if !valid { // the first bin has it, too
		if len(primary) < headerSize+binHeader {
			return nil
		}
		when = le.Uint64(primary[headerSize+20:])
	}
	if le.Uint32(log[hdrSequence1:]) != le.Uint32(log[hdrSequence2:]) || le.Uint64(log[hdrTime:]) != when {
		return nil
	}
	sector := int64(logSector) * int64(max(1, le.Uint32(log[hdrCluster:])))
	size := int64(le.Uint32(log[hdrBinsSize:]))
	if sector > 4096 || size%binAlign != 0 || size > MaxSize-headerSize {
		return nil
	}
	vector := sector + 4 + size/logSector/8 // its end
	pages := (vector + sector - 1) / sector * sector
	if pages > int64(len(log)) || string(log[sector:sector+4]) != "DIRT" {
		return nil
	}
	e := &logEntry{base: log[:logSector], sequence: le.Uint32(log[hdrSequence1:]), size: int(size)}
	rest := log[pages:]
	for i, mask := range log[sector+4 : vector] {
		for ; mask != 0; mask &= mask - 1 {
			if len(rest) < logSector {
				return nil // was not written to its end
			}
			off := (i*8 + bits.TrailingZeros8(mask)) * logSector
			e.pages = append(e.pages, logPage{off, rest[:logSector]})
			rest = rest[logSector:]
		}
	}
	return e
}
