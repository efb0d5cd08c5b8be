package vhdx

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// maxChanged is how many pages of tables may wait before they are logged: with those that one
// write changes, they fit into half of the smallest log, of 1 MiB.
const maxChanged = 64

// A logWriter says where the log goes on. Each entry has all that it takes to make the tables
// those of the last flush, so it is its own tail. It takes half of the log at most: the one
// before it, which counts until it is whole, is not overwritten.
type logWriter struct {
	guid     GUID // of the entries, which the header has once there is one
	off      int64
	sequence uint64
}

// logEntry puts together an entry that replaces sectors of the file.
func (l *logWriter) entry(changed map[int64][]byte, size int64) []byte {
	e := &entry{count: int64(len(changed))}
	data := e.descriptorSectors() * logSector
	b := make([]byte, data+e.count*logSector)
	for i, at := range slices.Sorted(maps.Keys(changed)) {
		p := changed[at]
		// The first sector has its header in the place of two descriptors.
		d := b[(i+2)*descriptor:][:descriptor]
		copy(d, "desc")
		copy(d[4:8], p[logSector-4:])
		copy(d[8:16], p)
		le.PutUint64(d[16:], uint64(at))
		le.PutUint64(d[24:], l.sequence)

		s := b[data+int64(i)*logSector:][:logSector]
		copy(s, p)
		copy(s, "data")
		le.PutUint32(s[4:], uint32(l.sequence>>32))
		le.PutUint32(s[logSector-4:], uint32(l.sequence))
	}
	copy(b, "loge")
	le.PutUint32(b[8:], uint32(len(b)))
	le.PutUint32(b[12:], uint32(l.off))
	le.PutUint64(b[16:], l.sequence)
	le.PutUint32(b[24:], uint32(e.count))
	copy(b[32:], l.guid[:])
	le.PutUint64(b[48:], uint64(size))
	le.PutUint64(b[56:], uint64(size))
	le.PutUint32(b[checksumAt:], checksum(b))
	return b
}

// log writes an entry with the changed sectors of tables, and makes it stable: from then on
// they are what counts, wherever they are. The caller holds mu.
func (m *Image) log(changed map[int64][]byte) error {
	l, length := &m.logger, m.header.logLength
	if l.guid == (GUID{}) {
		l.guid = newGUID()
	}
	l.sequence++
	b := l.entry(changed, m.file.Size())
	if int64(len(b)) > length/2 {
		return damaged("%d changed pages are too many for a log of %d bytes", len(changed), length)
	}
	first := min(int64(len(b)), length-l.off)
	if _, err := m.file.WriteAt(b[:first], m.header.logAt+l.off); err != nil {
		return err
	}
	if first < int64(len(b)) { // it comes around
		if _, err := m.file.WriteAt(b[first:], m.header.logAt); err != nil {
			return err
		}
	}
	if err := m.file.Flush(); err != nil {
		return err
	}
	l.off = (l.off + int64(len(b))) % length
	if m.header.logGUID == l.guid {
		return nil
	}
	return m.updateHeader(func(h *header) { h.logGUID = l.guid })
}

func newGUID() (g GUID) {
	le.PutUint64(g[:], rand.Uint64())
	le.PutUint64(g[8:], rand.Uint64())
	g[7] = g[7]&0x0f | 0x40 // version 4, at random
	g[8] = g[8]&0x3f | 0x80
	return g
}
