package part

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	typeLinux       = 0x83
	typeExtended    = 0x05
	typeExtendedLBA = 0x0f

	mbrActive = 0x80
)

// dosEdit is an MBR table that is being changed.
type dosEdit struct {
	e        *Editor
	first    []byte            // sector 0, as it will be
	onDisk   map[uint64][]byte // sectors as they are
	entries  [4]rawEntry
	logical  []logical
	oddChain error // why the chain of logical partitions cannot be changed
}

// logical is a logical partition.
type logical struct {
	raw   rawEntry
	link  byte   // type of the entry that leads to it
	where span   // the data
	ebr   uint64 // the sector that describes it, which has an MBR's form
}

func newDOS(e *Editor) (*dosEdit, error) {
	m := &dosEdit{e: e, first: make([]byte, e.d.sector), onDisk: map[uint64][]byte{}}
	m.first[510], m.first[511] = 0x55, 0xaa
	return m, m.setID("")
}

func loadDOS(e *Editor) (*dosEdit, error) {
	b, err := e.d.readLBA(0, int(e.d.sector))
	if err != nil {
		return nil, err
	}
	m := &dosEdit{e: e, first: bytes.Clone(b), onDisk: map[uint64][]byte{0: bytes.Clone(b)}}
	extended := 0
	for i := range m.entries {
		copy(m.entries[i][:], b[mbrTable+16*i:])
		if p := m.entries[i].decode(); p.used() && p.extended() {
			extended++
		}
	}
	// The kernel reads several, but numbers their logical partitions through: what a
	// deletion in the first would do to the second is nothing to guess at.
	if extended > 1 {
		return nil, fmt.Errorf("%w: it has %d extended partitions", ErrLayout, extended)
	}
	m.loadChain()
	return m, nil
}

func (m *dosEdit) name() string { return "dos" }

// extended returns the number of the extended partition and its place, or 0.
func (m *dosEdit) extended() (int, span) {
	for i := range m.entries {
		if p := m.entries[i].decode(); p.used() && p.extended() {
			return i + 1, p.span()
		}
	}
	return 0, span{}
}

// span returns the place of an entry that is relative to the start of the disk.
func (e *mbrEntry) span() span {
	return span{uint64(e.start), uint64(e.start) + uint64(e.length)}
}

// all is where primary partitions can be: what 32 bits can say.
func (m *dosEdit) all() span { return span{1, min(m.e.d.sectors(), 1<<32-1)} }

// primaries returns where these are, but the one with a number.
func (m *dosEdit) primaries(but int) []span {
	var list []span
	for i := range m.entries {
		if p := m.entries[i].decode(); p.used() && i+1 != but {
			list = append(list, p.span())
		}
	}
	return list
}

func (m *dosEdit) free(role Role) []span {
	if role == Logical {
		return m.freeLogical()
	}
	return gaps(m.all(), m.primaries(0))
}

// entry returns the entry of a partition.
func (m *dosEdit) entry(number int) (*rawEntry, error) {
	if number >= 1 && number <= 4 {
		if p := m.entries[number-1].decode(); p.used() {
			return &m.entries[number-1], nil
		}
		return nil, noPartition(number)
	}
	if m.oddChain != nil && number > 4 {
		return nil, m.oddChain
	}
	if i := number - 5; i >= 0 && i < len(m.logical) {
		return &m.logical[i].raw, nil
	}
	return nil, noPartition(number)
}

func (m *dosEdit) remove(number int) error {
	e, err := m.entry(number)
	if err != nil {
		return err
	}
	if number > 4 {
		m.logical = slices.Delete(m.logical, number-5, number-4)
		return nil
	}
	if p := e.decode(); p.extended() {
		m.forgetChain()
	}
	*e = rawEntry{}
	return nil
}

func (m *dosEdit) resize(number int, end uint64) error {
	e, err := m.entry(number)
	if err != nil {
		return err
	}
	if number > 4 {
		return m.resizeLogical(number-5, end)
	}
	p := e.decode()
	where := span{uint64(p.start), end}
	if end <= where.first {
		return fmt.Errorf("%w end of partition %d: it is before its start", ErrInvalid, number)
	}
	if end > m.all().end {
		return fmt.Errorf("%w: partition %d would leave the disk", ErrNoSpace, number)
	}
	for _, u := range m.primaries(number) {
		if u.overlaps(where) {
			return fmt.Errorf("%w: partition %d would overlap another one", ErrNoSpace, number)
		}
	}
	if p.extended() {
		if m.oddChain != nil {
			return m.oddChain
		}
		for _, u := range m.usedLogical() {
			if !where.contains(u) {
				return fmt.Errorf("%w: the extended partition would not hold its logical ones", ErrNoSpace)
			}
		}
	}
	e.put(where, 0)
	return nil
}

func (m *dosEdit) setBootable(number int, on bool) error {
	e, err := m.entry(number)
	if err != nil {
		return err
	}
	if !on {
		e[0] = 0
		return nil
	}
	// BIOSes refuse a disk with two active partitions.
	for i := range m.entries {
		m.entries[i][0] = 0
	}
	for i := range m.logical {
		m.logical[i].raw[0] = 0
	}
	e[0] = mbrActive
	return nil
}

func (m *dosEdit) setID(id string) error {
	b := make([]byte, 4)
	if id == "" {
		if _, err := io.ReadFull(m.e.rand, b); err != nil {
			return fmt.Errorf("make an ID: %w", err)
		}
	} else {
		n, err := hex.Decode(b, []byte(fmt.Sprintf("%.9s", strings.TrimPrefix(strings.ToLower(id), "0x"))))
		if err != nil || n != 4 {
			return fmt.Errorf("%w ID of a disk: %q", ErrInvalid, id)
		}
		slices.Reverse(b) // the number is shown with its highest digit first
	}
	copy(m.first[mbrID:], b)
	return nil
}

// plan has the sectors of the logical partitions, from the last to the first, and then
// the MBR, as far as they have changed.
func (m *dosEdit) plan() ([][]Write, error) {
	steps, err := m.planChain()
	if err != nil {
		return nil, err
	}
	b := bytes.Clone(m.first)
	for i := range m.entries {
		copy(b[mbrTable+16*i:], m.entries[i][:])
	}
	return append(steps, m.changed(0, b)...), nil
}

// changed returns a step that writes a sector, if it is not the same already.
func (m *dosEdit) changed(lba uint64, b []byte) [][]Write {
	if old, ok := m.onDisk[lba]; ok && bytes.Equal(old, b) {
		return nil
	}
	return [][]Write{{{int64(lba) * m.e.d.sector, b}}}
}

// committed remembers what is on the disk now.
func (m *dosEdit) committed() {
	steps, err := m.plan()
	if err != nil {
		return
	}
	for _, step := range steps {
		for _, w := range step {
			m.onDisk[uint64(w.Off/m.e.d.sector)] = w.Data
		}
	}
}
