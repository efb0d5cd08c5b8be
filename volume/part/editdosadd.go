package part

import (
	"fmt"
	"strconv"
	"strings"
)

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
