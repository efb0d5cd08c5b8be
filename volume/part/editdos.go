package part

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	typeLinux       = 0x83
	typeExtended    = 0x05
	typeExtendedLBA = 0x0f

	mbrActive = 0x80
)

// rawEntry is an entry of an MBR, or of a sector of an extended partition.
type rawEntry [16]byte

func (r *rawEntry) decode() mbrEntry {
	return mbrEntry{r[0], r[4], le.Uint32(r[8:]), le.Uint32(r[12:])}
}

// put sets the place, where base is what start is relative to. An entry that has not
// moved keeps its cylinders, heads and sectors as they are, since some boot loaders still
// go by them.
func (r *rawEntry) put(where span, base uint64) {
	start, length := uint32(where.first-base), uint32(where.end-where.first)
	if le.Uint32(r[8:]) == start && le.Uint32(r[12:]) == length {
		return
	}
	le.PutUint32(r[8:], start)
	le.PutUint32(r[12:], length)
	putCHS(r[1:4], where.first)
	putCHS(r[5:8], where.end-1)
}

// putCHS encodes a sector for a disk of 255 heads and 63 sectors a track, the geometry
// that all tools assume. A place past the 1024th cylinder gets the largest value, as
// fdisk(8) writes it.
func putCHS(b []byte, lba uint64) {
	cylinder, head, sector := lba/(255*63), lba/63%255, lba%63+1
	if cylinder > 1023 {
		copy(b, []byte{0xfe, 0xff, 0xff})
		return
	}
	b[0], b[1], b[2] = byte(head), byte(sector)|byte(cylinder>>8<<6), byte(cylinder)
}

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

func (m *dosEdit) add(s *Spec) (int, error) {
	if s.Name != "" || s.UUID != "" || s.Attributes != 0 {
		return 0, fmt.Errorf("%w: partitions of an MBR table have no name, UUID or attributes", ErrKind)
	}
	var raw rawEntry
	kind, err := specType(s)
	if err != nil {
		return 0, err
	}
	raw[4] = kind
	if s.Role == Logical {
		return m.addLogical(s, raw)
	}
	if n, _ := m.extended(); n != 0 && s.Role == Extended {
		return 0, fmt.Errorf("%w: partition %d is an extended one already", ErrNoSpace, n)
	}
	number, err := m.freeNumber(s.Number)
	if err != nil {
		return 0, err
	}
	where, err := s.place(m.free(Primary), m.e.d.sector)
	if err != nil {
		return 0, err
	}
	raw.put(where, 0)
	m.entries[number-1] = raw
	if s.Role == Extended {
		m.forgetChain()
	}
	return number, nil
}

// forgetChain forgets the logical partitions, and what their sectors are.
func (m *dosEdit) forgetChain() {
	m.logical, m.oddChain = nil, nil
	m.onDisk = map[uint64][]byte{0: m.onDisk[0]}
	if m.onDisk[0] == nil {
		delete(m.onDisk, 0) // a new table
	}
}

// specType returns the type of a new partition.
func specType(s *Spec) (byte, error) {
	switch s.Role {
	case Primary, Logical, Extended:
	default:
		return 0, fmt.Errorf("%w role of a partition: %q", ErrInvalid, s.Role)
	}
	if s.Type == "" {
		if s.Role == Extended {
			return typeExtendedLBA, nil
		}
		return typeLinux, nil
	}
	kind, err := parseByte(s.Type)
	if err != nil {
		return 0, err
	}
	if (&mbrEntry{kind: kind}).extended() != (s.Role == Extended) {
		return 0, fmt.Errorf("%w: type %#02x for a partition that is %s", ErrInvalid, kind, s.Role)
	}
	return kind, nil
}

// parseByte parses a type. Type 0 means that an entry is unused, and the type of a GPT's
// protective entry would turn this table into one of another kind.
func parseByte(s string) (byte, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(s), "0x"), 16, 8)
	if err != nil || n == 0 || n == typeProtective {
		return 0, fmt.Errorf("%w type of an MBR partition: %q", ErrInvalid, s)
	}
	return byte(n), nil
}

func (m *dosEdit) freeNumber(want int) (int, error) {
	for i := range m.entries {
		if p := m.entries[i].decode(); !p.used() && (want == 0 || want == i+1) {
			return i + 1, nil
		}
	}
	switch {
	case want == 0:
		return 0, fmt.Errorf("%w: there are 4 primary partitions", ErrNoSpace)
	case want < 1 || want > 4:
		return 0, fmt.Errorf("%w number of a primary partition: %d", ErrInvalid, want)
	}
	return 0, fmt.Errorf("%w: there is a partition %d", ErrNoSpace, want)
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
