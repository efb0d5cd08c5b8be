package part

import (
	"bytes"
	"fmt"
	"slices"
)

// The first sector of an extended partition describes the first logical one, and leads
// to the sector that describes the next. No standard says where that sector has to be:
// all tools leave 1 MiB for it before a partition, and so does this one, where there is
// as much.

// loadChain loads the logical partitions, if they are laid out as tools lay them out. If
// not, they are shown and cannot be changed.
func (m *dosEdit) loadChain() {
	n, all := m.extended()
	if n == 0 {
		return
	}
	odd := func(format string, args ...any) {
		m.oddChain = fmt.Errorf("%w: %s", ErrLayout, fmt.Sprintf(format, args...))
	}
	link := byte(typeExtended)
	for at := all.first; ; {
		// A sector that was read already closes a circle.
		if m.onDisk[at] != nil || len(m.logical) == maxLogical {
			odd("the chain of logical partitions runs in a circle, or is too long")
			return
		}
		b, err := m.e.d.readLBA(at, int(m.e.d.sector))
		if err != nil {
			odd("the chain of logical partitions is broken, at sector %d: %v", at, err)
			return
		}
		m.onDisk[at] = bytes.Clone(b)
		var entries [4]rawEntry
		for i := range entries {
			copy(entries[i][:], b[mbrTable+16*i:])
		}
		if b[510] != 0x55 || b[511] != 0xaa {
			odd("the chain of logical partitions is broken, at sector %d", at)
			return
		}
		data, next := -1, -1
		for i := range entries {
			p := entries[i].decode()
			which := &data
			if p.extended() {
				which = &next
			}
			if p.used() && *which != -1 {
				odd("sector %d has more than one logical partition", at)
				return
			} else if p.used() {
				*which = i
			}
		}
		if data >= 0 {
			p := entries[data].decode()
			l := logical{raw: entries[data], link: link, ebr: at, where: p.span()}
			l.where.first += at
			l.where.end += at
			if !all.contains(l.where) || l.where.first == at {
				odd("logical partition %d is not inside of the extended one", len(m.logical)+5)
				return
			}
			m.logical = append(m.logical, l)
		}
		if next < 0 {
			break
		}
		p := entries[next].decode()
		at, link = all.first+uint64(p.start), p.kind
		if at >= all.end {
			odd("the chain of logical partitions leaves the extended one")
			return
		}
	}
}

// usedLogical returns what is used of the extended partition.
func (m *dosEdit) usedLogical() []span {
	_, all := m.extended()
	list := []span{{all.first, all.first + 1}}
	for i, l := range m.logical {
		list = append(list, l.where)
		if i > 0 && l.ebr != 0 {
			list = append(list, m.reserved(i))
		}
	}
	return list
}

// reserved returns the sector that describes a logical partition, and what is between
// that and the partition: parted cannot cope with another one in there.
func (m *dosEdit) reserved(i int) span {
	l := &m.logical[i]
	r := span{l.ebr, max(l.where.first, l.ebr+1)}
	for j, o := range m.logical {
		if o.where.overlaps(r) || j > 0 && j != i && r.overlaps(span{o.ebr, o.ebr + 1}) {
			// Another tool has packed them closer than parted allows. It works, and
			// stays as it is.
			return span{l.ebr, l.ebr + 1}
		}
	}
	return r
}

// freeLogical returns where logical partitions can be. Each needs a sector before it,
// and so does the first one, if another becomes the first.
func (m *dosEdit) freeLogical() []span {
	n, all := m.extended()
	if n == 0 || m.oddChain != nil {
		return nil
	}
	all.end = min(all.end, m.e.d.sectors())
	var list []span
	for _, f := range gaps(all, m.usedLogical()) {
		f.first++
		if len(m.logical) > 0 && f.end == m.logical[0].where.first {
			f.end--
		}
		if f.first < f.end {
			list = append(list, f)
		}
	}
	return list
}

func (m *dosEdit) addLogical(s *Spec, raw rawEntry) (int, error) {
	switch n, _ := m.extended(); {
	case n == 0:
		return 0, fmt.Errorf("%w: there is no extended partition for a logical one", ErrNoSpace)
	case m.oddChain != nil:
		return 0, m.oddChain
	case s.Number != 0:
		return 0, fmt.Errorf("%w: logical partitions are numbered by their places", ErrInvalid)
	case len(m.logical) == maxLogical:
		return 0, fmt.Errorf("%w: there are %d logical partitions", ErrNoSpace, maxLogical)
	}
	where, err := s.place(m.freeLogical(), m.e.d.sector)
	if err != nil {
		return 0, err
	}
	// Numbers follow places, so it goes in before the first one that starts after it.
	i := slices.IndexFunc(m.logical, func(l logical) bool { return l.where.first > where.first })
	if i < 0 {
		i = len(m.logical)
	}
	old := slices.Clone(m.logical)
	m.logical = slices.Insert(m.logical, i, logical{raw: raw, link: typeExtended, where: where})
	needs := i // the one that gets a sector
	if i == 0 {
		needs = 1
	}
	if needs < len(m.logical) {
		l := &m.logical[needs]
		l.ebr = 0 // its own sector must not count as used while it looks for another
		if l.ebr, err = m.placeEBR(l.where); err != nil {
			m.logical = old
			return 0, err
		}
	}
	return 5 + i, nil
}

// placeEBR returns a sector in what is free before a logical partition.
func (m *dosEdit) placeEBR(where span) (uint64, error) {
	_, all := m.extended()
	for _, f := range gaps(all, m.usedLogical()) {
		if f.end == where.first {
			before := uint64(grain / m.e.d.sector)
			at := max(f.first, where.first-min(before, where.first))
			delete(m.onDisk, at) // whatever it was once
			return at, nil
		}
	}
	return 0, fmt.Errorf("%w: there is no free sector before the logical partition", ErrNoSpace)
}

func (m *dosEdit) resizeLogical(i int, end uint64) error {
	l := &m.logical[i]
	where := span{l.where.first, end}
	_, all := m.extended()
	switch {
	case end <= where.first:
		return fmt.Errorf("%w end of partition %d: it is before its start", ErrInvalid, i+5)
	case end > min(all.end, m.e.d.sectors()):
		return fmt.Errorf("%w: partition %d would leave the extended one", ErrNoSpace, i+5)
	}
	old := slices.Clone(m.logical)
	m.makeRoom(where)
	for _, u := range m.usedLogical() {
		if u != l.where && u.overlaps(where) {
			m.logical = old
			return fmt.Errorf("%w: partition %d would overlap another one", ErrNoSpace, i+5)
		}
	}
	m.logical[i].where = where
	return nil
}

// makeRoom moves sectors that describe logical partitions out of a place, to right
// before these partitions.
func (m *dosEdit) makeRoom(where span) {
	for i := 1; i < len(m.logical); i++ {
		l := &m.logical[i]
		if where.overlaps(m.reserved(i)) && where.end < l.where.first {
			l.ebr = l.where.first - 1
			delete(m.onDisk, l.ebr)
		}
	}
}
