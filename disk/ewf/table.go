package ewf

import (
	"errors"
	"hash/adler32"
)

const (
	tableHeader = 24
	maxEntries  = 4 << 20
	compressed  = 1 << 31 // of an entry
)

// offsets returns the entries of a table.
func (m *Image) offsets32(t *table) ([]byte, error) {
	return m.offsets.Get(t, int(t.entries*4), func() ([]byte, error) {
		b, err := t.read(t.at)
		if errors.Is(err, ErrDamaged) && t.mirror > 0 {
			if copied, err2 := t.read(t.mirror); err2 == nil {
				b, err = copied, nil
			}
		}
		return b, err
	})
}

// read reads the entries of a table, whose section is at at.
func (t *table) read(at int64) ([]byte, error) {
	at += sectionSize + tableHeader
	n := t.entries * 4
	end := n + 4
	if t.small {
		end = n
	}
	if end > t.segment.file.Size()-at {
		return nil, damage.Errorf("the table at %d of segment %d ends past the end of the file (was it truncated?)", at, t.segment.number)
	}
	b := make([]byte, end)
	if err := damage.ReadFull(t.segment.file, b, at, "table"); err != nil {
		return nil, err
	}
	if t.small {
		return b, nil
	}
	if got, want := adler32.Checksum(b[:n]), le.Uint32(b[n:]); got != want {
		return nil, damage.Errorf("the table at %d of segment %d has the checksum %08x, not %08x", at, t.segment.number, got, want)
	}
	return b[:n:n], nil
}

// A place is where a chunk is in a segment.
type place struct {
	at, size   int64
	compressed bool
}

// place returns where a chunk is.
func (m *Image) place(t *table, chunk int64) (p place, err error) {
	b, err := m.offsets32(t)
	if err != nil {
		return p, err
	}
	i := chunk - t.first
	limit := t.end
	e := le.Uint32(b[i*4:])
	wide := t.end-t.base > compressed && m.wide(t, b, i)
	p.at, p.compressed = t.base+int64(e&^compressed), e&compressed != 0
	if wide {
		p.at, p.compressed = t.base+int64(e), false
	}
	if i+1 < t.entries {
		next := le.Uint32(b[i*4+4:])
		// Past 2 GiB, offsets have 32 bits.
		if limit = t.base + int64(next&^compressed); limit < p.at {
			limit = t.base + int64(next)
		}
		if wide {
			limit = t.base + int64(next)
		}
	}
	p.size = limit - p.at
	if p.at < t.data || p.size <= 0 || limit > t.end {
		return p, damage.Errorf("chunk %d lies from %d to %d of segment %d, and not between %d and %d", chunk, p.at, limit, t.segment.number, t.data, t.end)
	}
	return p, nil
}

// wide reports whether an entry is one of those that have offsets of 32 bits and no flag:
// EnCase 6.7 writes them after an offset that reaches 2 GiB.
func (m *Image) wide(t *table, b []byte, i int64) bool {
	// They are in order, so a search would find it; but where the flag ends being one is
	// only known from the one before.
	for j := int64(1); j <= i; j++ {
		if le.Uint32(b[j*4:])&^compressed < le.Uint32(b[j*4-4:])&^compressed {
			return true
		}
	}
	return false
}
