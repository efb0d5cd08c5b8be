package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrFormat says that a file is not a journal, or is one in a later format.
var ErrFormat = errors.New("not a journal file")

// errCorrupt ends a file where it makes no sense.
var errCorrupt = errors.New("the journal is corrupt")

var le = binary.LittleEndian

// Fields of the header, in bytes from its beginning.
const (
	headerIncompatible = 12
	headerSeqnumID     = 72
	headerSize         = 88
	headerEntries      = 152 // how many
	headerEntryArray   = 176
	headerMin          = 208
)

// Incompatible flags.
const (
	flagXZ      = 1 << 0
	flagLZ4     = 1 << 1
	flagKeyed   = 1 << 2 // how hashes are made, which only matters to a writer
	flagZstd    = 1 << 3
	flagCompact = 1 << 4 // offsets have 32 bits
	flagsKnown  = flagXZ | flagLZ4 | flagKeyed | flagZstd | flagCompact
)

// Types of objects.
const (
	typeData       = 1
	typeEntry      = 3
	typeEntryArray = 6
)

// Fields of objects, in bytes from their beginning.
const (
	objectHeader = 16

	entrySeqnum    = 16
	entryRealtime  = 24
	entryMonotonic = 32
	entryBoot      = 40
	entryHash      = 56
	entryItems     = 64

	dataPayload        = 64
	dataPayloadCompact = 72

	arrayNext  = 16
	arrayItems = 24
)

// A File is a file of the journal.
type File struct {
	r        pages
	size     int64
	compact  bool
	seqnumID [16]byte
	entries  uint64 // how many the header promises
	first    int64  // array of entries
}

// OpenFile opens a file of the journal, of size bytes. r must stay readable as long as
// the file is used. The error wraps [ErrFormat], or is one of reading.
func OpenFile(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: pages{r: r, size: size}, size: size}
	h, err := f.r.view(0, headerMin)
	if err != nil {
		if errors.Is(err, errCorrupt) {
			err = fmt.Errorf("%w: %d bytes", ErrFormat, size)
		}
		return nil, err
	}
	if string(h[:8]) != "LPKSHHRH" {
		return nil, ErrFormat
	}
	flags := le.Uint32(h[headerIncompatible:])
	if unknown := flags &^ flagsKnown; unknown != 0 {
		return nil, fmt.Errorf("%w: flags %#x are not known", ErrFormat, unknown)
	}
	if n := le.Uint64(h[headerSize:]); n < headerMin || n > uint64(size) {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrFormat, n)
	}
	f.compact = flags&flagCompact != 0
	f.seqnumID = [16]byte(h[headerSeqnumID:])
	f.entries = le.Uint64(h[headerEntries:])
	f.first = int64(le.Uint64(h[headerEntryArray:]))
	return f, nil
}

// object returns the first n bytes of an object, and its size.
func (f *File) object(at int64, kind byte, n int64) (b []byte, size int64, err error) {
	if at <= 0 || at%8 != 0 || at > f.size-objectHeader {
		return nil, 0, errCorrupt
	}
	b, err = f.r.view(at, min(n, f.size-at))
	if err != nil {
		return nil, 0, err
	}
	total := le.Uint64(b[8:])
	if b[0] != kind || int64(len(b)) < n || total < uint64(n) || total > uint64(f.size-at) {
		return nil, 0, errCorrupt
	}
	return b, int64(total), nil
}

// An entry is the fixed part of an entry.
type entry struct {
	at, size            int64
	seqnum              uint64
	realtime, monotonic uint64 // in microseconds
	boot                [16]byte
	hash                uint64
}

func (f *File) entry(at int64) (e entry, err error) {
	b, size, err := f.object(at, typeEntry, entryItems)
	if err != nil {
		return e, err
	}
	return entry{
		at: at, size: size, seqnum: le.Uint64(b[entrySeqnum:]), realtime: le.Uint64(b[entryRealtime:]),
		monotonic: le.Uint64(b[entryMonotonic:]), boot: [16]byte(b[entryBoot:]), hash: le.Uint64(b[entryHash:]),
	}, nil
}

// A cursor goes through the entries of a file.
type cursor struct {
	f     *File
	array int64 // the array that it is in, 0 at the beginning
	items int64 // how many that has
	i     int64
	next  int64 // array
	done  uint64
	entry // of which it is in front
	ended bool
}

// offset reads the offset of an object in a list.
func (f *File) offset(b []byte) int64 {
	if f.compact {
		return int64(le.Uint32(b))
	}
	return int64(le.Uint64(b))
}

func (f *File) offsetSize() int64 {
	if f.compact {
		return 4
	}
	return 8
}

// advance goes to the next entry, or sets ended. What makes no sense is an end, too.
func (c *cursor) advance() error {
	f := c.f
	for c.done < f.entries {
		if c.i == c.items {
			next := c.next
			if c.array == 0 {
				next = f.first
			}
			// Arrays are only ever added at the end of the file. One that lies before
			// the last would lead in a circle.
			if next <= c.array {
				break
			}
			b, size, err := f.object(next, typeEntryArray, arrayItems)
			if err != nil {
				return c.end(err)
			}
			c.array, c.next = next, int64(le.Uint64(b[arrayNext:]))
			c.items, c.i = (size-arrayItems)/f.offsetSize(), 0
			continue
		}
		b, err := f.r.view(c.array+arrayItems+c.i*f.offsetSize(), f.offsetSize())
		if err != nil {
			return c.end(err)
		}
		at := f.offset(b)
		if at == 0 { // an array has room for entries that were not written yet
			break
		}
		c.i++
		c.done++
		if c.entry, err = f.entry(at); err != nil {
			return c.end(err)
		}
		return nil
	}
	c.ended = true
	return nil
}

func (c *cursor) end(err error) error {
	c.ended = true
	if errors.Is(err, errCorrupt) {
		return nil
	}
	return err
}
