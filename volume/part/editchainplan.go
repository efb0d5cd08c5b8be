package part

import (
	"bytes"
	"fmt"
)

// planChain returns the sectors that describe logical partitions and have changed.
func (m *dosEdit) planChain() ([][]Write, error) {
	n, all := m.extended()
	if n == 0 || m.oddChain != nil {
		return nil, nil
	}
	var steps [][]Write
	// From the last to the first: no sector is linked to before it is on the disk.
	for i := max(0, len(m.logical)-1); i >= 0; i-- {
		at := m.ebr(i, all)
		b, ok := m.onDisk[at]
		if b = bytes.Clone(b); !ok {
			b = make([]byte, m.e.d.sector)
		}
		m.describe(b, i, all)
		step := m.changed(at, b)
		if len(step) != 0 {
			if err := m.checkEBR(at, all); err != nil {
				return nil, err
			}
		}
		steps = append(steps, step...)
	}
	return steps, nil
}

// ebr returns the sector that describes a logical partition.
func (m *dosEdit) ebr(i int, all span) uint64 {
	if i == 0 {
		return all.first
	}
	return m.logical[i].ebr
}

// describe puts a logical partition into its sector, and the link to the next.
func (m *dosEdit) describe(b []byte, i int, all span) {
	at := m.ebr(i, all)
	var old [4]rawEntry
	for j := range old {
		copy(old[j][:], b[mbrTable+16*j:])
	}
	clear(b[mbrTable : mbrTable+64])
	b[510], b[511] = 0x55, 0xaa
	if i >= len(m.logical) {
		return
	}
	l := &m.logical[i]
	data := l.raw
	data.put(l.where, at)
	copy(b[mbrTable:], data[:])
	if i+1 == len(m.logical) {
		return
	}
	next := &m.logical[i+1]
	link := old[1]
	// The type of the link is kept: some systems follow only the one that they know.
	link[0], link[4] = 0, next.link
	link.put(span{next.ebr, max(next.where.end, next.ebr+1)}, all.first)
	copy(b[mbrTable+16:], link[:])
}

// checkEBR checks that a sector can be written to without destroying data. It is asked
// last, about what will be written, so that no mistake above it can cost a partition.
func (m *dosEdit) checkEBR(at uint64, all span) error {
	sector := span{at, at + 1}
	number, _ := m.extended()
	used := m.primaries(number)
	for _, l := range m.logical {
		used = append(used, l.where)
	}
	bad := !all.contains(sector) || at >= m.e.d.sectors() || at == 0
	for _, u := range used {
		bad = bad || u.overlaps(sector)
	}
	if bad {
		return fmt.Errorf("%w: sector %d, which describes a logical partition, is in another one", ErrLayout, at)
	}
	return nil
}
