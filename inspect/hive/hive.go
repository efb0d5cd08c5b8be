package hive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// MaxSize is how many bytes a hive may have. The largest of an honest system,
// SOFTWARE and COMPONENTS, have some hundred MiB.
const MaxSize = 512 << 20

const (
	headerSize = 4096 // bytes before the first bin; refs count from its end
	binAlign   = 4096
	binHeader  = 32
	cellAlign  = 8
)

// Fields of the header, in bytes from its beginning.
const (
	hdrSequence1 = 4
	hdrSequence2 = 8
	hdrTime      = 12
	hdrMajor     = 20
	hdrMinor     = 24
	hdrFileType  = 28
	hdrFormat    = 32
	hdrRoot      = 36
	hdrBinsSize  = 40
	hdrCluster   = 44
	hdrFileName  = 48
	hdrChecksum  = 508
)

var le = binary.LittleEndian

// A Flag of [Open] and [Parse]. Flags may be ORed.
type Flag int

const (
	// Write lets the hive be edited.
	Write Flag = 1 << iota
	// Unsafe leaves out of [Hive.Children] and [Hive.Values] what cannot be read,
	// instead of failing (HIVEX_OPEN_UNSAFE).
	Unsafe
)

// A Hive is an open hive.
type Hive struct {
	// Now returns the time that nodes and the header get when they are changed.
	// nil is time.Now.
	Now func() time.Time

	source
	flags Flag
	minor uint32
	dirty string
	edit  *editor // nil unless open for writing
}

// Open opens the hive of size bytes that r reads. It must stay readable as long as
// the hive is used, unless it is opened with [Write], which reads all of it at once.
func Open(r io.ReaderAt, size int64, flags Flag) (*Hive, error) {
	if size > MaxSize {
		return nil, fmt.Errorf("open hive: %d bytes: %w", size, ErrTooLarge)
	}
	h := &Hive{flags: flags, source: newSource(r, max(size, 0))}
	return h.open()
}

// Parse opens the hive that is in data. The bytes are not changed, and must not
// change as long as the hive is used, unless it is opened with [Write].
func Parse(data []byte, flags Flag) (*Hive, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("open hive: %d bytes: %w", len(data), ErrTooLarge)
	}
	if flags&Write != 0 {
		data = bytes.Clone(data)
	}
	h := &Hive{flags: flags, source: source{data: data}}
	return h.open()
}

func (h *Hive) open() (*Hive, error) {
	if err := h.readHeader(); err != nil {
		return nil, fmt.Errorf("open hive: %w", err)
	}
	if h.flags&Write != 0 {
		if err := h.startEditing(); err != nil {
			return nil, fmt.Errorf("open hive for writing: %w", err)
		}
	}
	return h, nil
}

func (h *Hive) readHeader() error {
	if h.size() < headerSize {
		return fmt.Errorf("%w: %d bytes", ErrNotHive, h.size())
	}
	header, err := h.view(0, headerSize)
	if err != nil {
		return err
	}
	if string(header[:4]) != "regf" {
		return ErrNotHive
	}
	major := le.Uint32(header[hdrMajor:])
	h.minor = le.Uint32(header[hdrMinor:])
	if major != 1 || h.minor < 2 {
		// Version 1.1, of Windows NT 3.1, has other cells.
		return fmt.Errorf("%w: version %d.%d", ErrNotHive, major, h.minor)
	}
	if kind := le.Uint32(header[hdrFileType:]); kind != 0 {
		return fmt.Errorf("%w: a file of kind %d, such as a transaction log", ErrNotHive, kind)
	}
	one, two := le.Uint32(header[hdrSequence1:]), le.Uint32(header[hdrSequence2:])
	switch {
	case checksum(header) != le.Uint32(header[hdrChecksum:]):
		h.dirty = "the checksum of its header is wrong"
	case one != two:
		h.dirty = fmt.Sprintf("its sequence numbers differ: %d and %d", one, two)
	}
	bins := int64(le.Uint32(header[hdrBinsSize:]))
	if bins > h.size()-headerSize {
		if h.flags&Write != 0 {
			return &CorruptError{hdrBinsSize, fmt.Sprintf("%d bytes of bins in a file of %d bytes", bins, h.size())}
		}
		return nil
	}
	h.cut(headerSize + bins) // what follows is padding
	return nil
}

// checksum returns that of a header, of which it needs 508 bytes.
func checksum(header []byte) (sum uint32) {
	for i := 0; i < hdrChecksum; i += 4 {
		sum ^= le.Uint32(header[i:])
	}
	switch sum { // the two values that mean "none"
	case 0:
		return 1
	case 0xffffffff:
		return 0xfffffffe
	}
	return sum
}

// Dirty reports whether the hive was not written to its end when the system went down,
// and why: a part of its state is then in its transaction logs ([Recover]). What is read
// may be older than what Windows would show, and may not fit together. "" is a clean
// hive. [Hive.Commit] makes a clean one of what is there.
func (h *Hive) Dirty() string { return h.dirty }

// Modified returns the time in the header (hivex_last_modified).
func (h *Hive) Modified() time.Time {
	header, err := h.view(0, headerSize)
	if err != nil { // was read before
		return time.Time{}
	}
	return fileTime(le.Uint64(header[hdrTime:]))
}

// Version returns the minor number of the format's version. Hives of Windows XP and
// later have 5, those of NT 4 have 3.
func (h *Hive) Version() int { return int(h.minor) }

// now returns the time of a change.
func (h *Hive) now() uint64 {
	if h.Now != nil {
		return toFileTime(h.Now())
	}
	return toFileTime(time.Now())
}

// A FILETIME counts 100 ns from 1601 on.
const (
	ticksPerSecond = 10_000_000
	unixEpoch      = 11_644_473_600 // in seconds after 1601
)

func fileTime(t uint64) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(int64(t/ticksPerSecond)-unixEpoch, int64(t%ticksPerSecond)*100).UTC()
}

func toFileTime(t time.Time) uint64 {
	s := t.Unix() + unixEpoch
	if s < 0 || s >= 1<<63/ticksPerSecond { // before 1601, or after 30827
		return 0
	}
	return uint64(s)*ticksPerSecond + uint64(t.Nanosecond()/100)
}
