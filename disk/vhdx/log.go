package vhdx

import (
	"fmt"
	"hash/crc32"
	"io"
)

const (
	logSector  = 4096
	descriptor = 32
	// firstDescriptors is how many descriptors the first sector of an entry has after
	// its header, and laterDescriptors those that follow.
	firstDescriptors, laterDescriptors = 126, 128

	// maxLog is the size of the largest log that is replayed, in bytes. Windows and QEMU
	// make one of 1 MiB.
	maxLog = 64 << 20
)

// A ring is the log as it is in the file: a ring of sectors.
type ring struct {
	r      io.ReaderAt
	at     int64
	length int64
	guid   GUID

	entries map[int64]*entry // those that were looked at, by their offset; nil for none
	budget  int64            // bytes that may still be read
	signed  bool             // some entry has our GUID, be it valid or not
}

// An entry is a valid entry of the log.
type entry struct {
	off      int64 // in the ring
	length   int64 // in bytes
	tail     int64 // of the sequence that ends with it
	sequence uint64
	count    int64 // of descriptors
	flushed  int64 // size of the file that is stable
	last     int64 // where the last structure of the file ends
}

// A sequence is what must be replayed.
type sequence struct {
	entries []*entry
}

// findSequence returns the newest valid sequence of the log, or nil if it is empty. It follows
// section 2.3.3 of the specification, except that a log without any entry of its GUID is empty,
// as QEMU leaves one behind that is killed at the wrong moment.
func findSequence(r io.ReaderAt, h *header, size int64) (*ring, *sequence, error) {
	if h.logGUID == (GUID{}) || h.logLength == 0 {
		return nil, nil, nil
	}
	if h.logLength > maxLog {
		return nil, nil, fmt.Errorf("%w: a log of %d bytes to be replayed (at most %d)", ErrFeature, h.logLength, maxLog)
	}
	l := &ring{r: r, at: h.logAt, length: h.logLength, guid: h.logGUID, entries: map[int64]*entry{}, budget: 8 * h.logLength}
	var best []*entry
	for tail := int64(0); ; {
		current, err := l.sequence(tail)
		if err != nil {
			return nil, nil, err
		}
		old := tail
		if current == nil {
			tail += logSector
		} else {
			head := current[len(current)-1]
			if best == nil || head.sequence > best[len(best)-1].sequence {
				best = current
			}
			tail = head.off + head.length
		}
		if tail %= l.length; tail <= old {
			break
		}
	}
	if best == nil {
		if l.signed {
			return nil, nil, damaged("the log at %d has no valid sequence of entries", h.logAt)
		}
		return nil, nil, nil
	}
	if head := best[len(best)-1]; size < head.flushed {
		return nil, nil, damaged("the file has %d bytes, fewer than the %d that its log knows of (was it truncated?)", size, head.flushed)
	}
	return l, &sequence{best}, nil
}

// sequence returns the valid sequence of entries that begins at an offset, without those
// before its tail, or nil.
func (l *ring) sequence(off int64) ([]*entry, error) {
	var s []*entry
	for length := int64(0); ; {
		e, err := l.entry(off)
		if err != nil {
			return nil, err
		}
		if e == nil || len(s) > 0 && e.sequence != s[len(s)-1].sequence+1 {
			break
		}
		if length += e.length; length > l.length {
			break // it has come around
		}
		s = append(s, e)
		off = (off + e.length) % l.length
	}
	if len(s) == 0 {
		return nil, nil
	}
	tail := s[len(s)-1].tail
	for i, e := range s {
		if e.off == tail {
			return s[i:], nil
		}
	}
	return nil, nil
}

// read reads from the ring, which may come around.
func (l *ring) read(p []byte, off int64) error {
	first := min(int64(len(p)), l.length-off)
	if err := readFull(l.r, p[:first], l.at+off, "log"); err != nil {
		return err
	}
	if rest := p[first:]; len(rest) > 0 {
		return readFull(l.r, rest, l.at, "log")
	}
	return nil
}

// entry returns the entry at an offset, or nil if there is none.
func (l *ring) entry(off int64) (*entry, error) {
	if e, ok := l.entries[off]; ok {
		return e, nil
	}
	e, err := l.parse(off)
	if err == nil {
		l.entries[off] = e
	}
	return e, err
}

func (l *ring) parse(off int64) (*entry, error) {
	b := make([]byte, logSector)
	if err := l.read(b, off); err != nil {
		return nil, err
	}
	if string(b[:4]) != "loge" || GUID(b[32:48]) != l.guid {
		return nil, nil
	}
	l.signed = true
	e := &entry{
		off: off, length: int64(le.Uint32(b[8:])), tail: int64(le.Uint32(b[12:])), sequence: le.Uint64(b[16:]),
		count: int64(le.Uint32(b[24:])), flushed: int64(min(le.Uint64(b[48:]), 1<<63-1)), last: int64(min(le.Uint64(b[56:]), 1<<63-1)),
	}
	if e.length < logSector || e.length%logSector != 0 || e.length > l.length || e.tail%logSector != 0 || e.sequence == 0 ||
		e.last > maxFile || e.descriptorSectors()*logSector > e.length {
		return nil, nil
	}
	if l.budget -= e.length; l.budget < 0 {
		return nil, damaged("the log at %d has too many entries that overlap", l.at)
	}
	want := le.Uint32(b[checksumAt:])
	clear(b[checksumAt:][:4])
	sum := crc32.Update(0, castagnoli, b)
	for n := int64(logSector); n < e.length; n += logSector {
		if err := l.read(b, (off+n)%l.length); err != nil {
			return nil, err
		}
		sum = crc32.Update(sum, castagnoli, b)
	}
	if sum != want {
		return nil, nil
	}
	// It is what its writer meant: what is wrong with its descriptors is not a write that
	// was cut off.
	data := int64(0)
	for d, err := range l.descriptors(e) {
		if err != nil {
			return nil, err
		}
		if d.sequence != e.sequence {
			return nil, nil
		}
		if d.zero == 0 {
			data++
		}
	}
	if (e.descriptorSectors()+data)*logSector != e.length {
		return nil, nil
	}
	return e, nil
}

// descriptorSectors returns how many sectors the header and the descriptors take.
func (e *entry) descriptorSectors() int64 {
	return 1 + max(e.count-firstDescriptors+laterDescriptors-1, 0)/laterDescriptors
}
