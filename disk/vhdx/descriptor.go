package vhdx

import (
	"iter"
)

// A change is a descriptor of an entry: a sector to write, or a range to zero.
type change struct {
	at       int64 // in the file, a multiple of logSector
	zero     int64 // bytes to zero, or 0 if there is data
	sequence uint64
	leading  [8]byte // of the data, which the sector in the log does not have
	trailing [4]byte
	sector   int64 // offset of the data in the ring
}

// descriptors returns the descriptors of an entry whose checksum is right, in their order. The
// error is one of reading, or damage.
func (l *ring) descriptors(e *entry) iter.Seq2[change, error] {
	return func(yield func(change, error) bool) {
		b := make([]byte, logSector)
		data := e.off + e.descriptorSectors()*logSector
		at := 2 * descriptor // after the header
		for i, n := int64(0), int64(0); i < e.count; i++ {
			if at == logSector || i == 0 {
				if err := l.read(b, (e.off+n*logSector)%l.length); err != nil {
					yield(change{}, err)
					return
				}
				if n++; i != 0 {
					at = 0
				}
			}
			d := b[at:][:descriptor]
			at += descriptor
			c := change{at: int64(min(le.Uint64(d[16:]), 1<<63-1)), sequence: le.Uint64(d[24:])}
			end := c.at + logSector
			switch string(d[:4]) {
			case "zero":
				c.zero = int64(min(le.Uint64(d[8:]), maxFile))
				end = c.at + c.zero
			case "desc":
				copy(c.trailing[:], d[4:])
				copy(c.leading[:], d[8:])
				c.sector = data % l.length
				data += logSector
			default:
				yield(change{}, damaged("the log entry at %d has a descriptor %q", l.at+e.off, d[:4]))
				return
			}
			if c.at%logSector != 0 || c.at > maxFile || end > maxFile || c.zero%logSector != 0 {
				yield(change{}, damaged("the log entry at %d changes %d bytes at %d", l.at+e.off, end-c.at, c.at))
				return
			}
			if c.zero == 0 && string(d[:4]) == "zero" {
				continue // nothing
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

// data returns what a change writes.
func (l *ring) data(c change) ([]byte, error) {
	b := make([]byte, logSector)
	if err := l.read(b, c.sector); err != nil {
		return nil, err
	}
	if sequence := uint64(le.Uint32(b[4:]))<<32 | uint64(le.Uint32(b[logSector-4:])); string(b[:4]) != "data" || sequence != c.sequence {
		return nil, damaged("the log has no data sector of the entry %d at %d", c.sequence, l.at+c.sector)
	}
	copy(b, c.leading[:])
	copy(b[logSector-4:], c.trailing[:])
	return b, nil
}
