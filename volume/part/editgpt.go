package part

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

const gptName = 36 // UTF-16 units

func (g *gptEdit) name() string { return "gpt" }

// entry returns a partition's entry, if it is used.
func (g *gptEdit) entry(number int) ([]byte, error) {
	if number >= 1 && number <= len(g.entries)/g.entrySize {
		if e := g.at(number); !unused(e) {
			return e, nil
		}
	}
	return nil, noPartition(number)
}

func (g *gptEdit) at(number int) []byte { return g.entries[(number-1)*g.entrySize:][:g.entrySize] }

func unused(e []byte) bool { return guid(e[:16]) == "" }

// used returns where the partitions are, except the one with the number but. An entry
// whose end is before its start, or past what 64 bits hold, is taken for everything in
// between: nothing is placed where another reader of the table may see a partition.
func (g *gptEdit) used(but int) []span {
	var list []span
	for n := 1; n <= len(g.entries)/g.entrySize; n++ {
		e := g.at(n)
		if n == but || unused(e) {
			continue
		}
		first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
		if last < first {
			first, last = last, first
		}
		list = append(list, span{first, last + min(1, ^uint64(0)-last)})
	}
	return list
}

// usable returns where partitions can be.
func (g *gptEdit) usable() span {
	end := min(g.lastUsable+min(1, ^uint64(0)-g.lastUsable), g.e.d.sectors())
	return span{min(g.firstUsable, end), end}
}

func (g *gptEdit) free(role Role) []span {
	if role != Primary {
		return nil
	}
	return gaps(g.usable(), g.used(0))
}

func (g *gptEdit) add(s *Spec) (int, error) {
	if s.Role != Primary {
		return 0, fmt.Errorf("%w: a GPT has no %s partitions", ErrKind, s.Role)
	}
	number, err := g.freeNumber(s.Number)
	if err != nil {
		return 0, err
	}
	where, err := s.place(g.free(Primary), g.e.d.sector)
	if err != nil {
		return 0, err
	}
	kind := s.Type
	if kind == "" {
		kind = guidLinux
	}
	typ, err := parseGUID(kind)
	if err != nil {
		return 0, err
	}
	id, err := guidOr(s.UUID, g.e.rand)
	if err != nil {
		return 0, err
	}
	name, err := encodeName(s.Name)
	if err != nil {
		return 0, err
	}
	e := g.at(number)
	clear(e) // an entry whose type is zero may have anything in its other fields
	copy(e, typ[:])
	copy(e[16:], id[:])
	le.PutUint64(e[32:], where.first)
	le.PutUint64(e[40:], where.end-1)
	le.PutUint64(e[48:], s.Attributes)
	copy(e[56:128], name)
	return number, nil
}

// freeNumber returns the number of an entry that is not used: the wanted one, if it is
// not 0.
func (g *gptEdit) freeNumber(want int) (int, error) {
	count := len(g.entries) / g.entrySize
	if want != 0 {
		switch {
		case want < 1 || want > count:
			return 0, fmt.Errorf("%w number of a partition: %d, of 1 to %d", ErrInvalid, want, count)
		case !unused(g.at(want)):
			return 0, fmt.Errorf("%w: there is a partition %d", ErrNoSpace, want)
		}
		return want, nil
	}
	for n := 1; n <= count; n++ {
		if unused(g.at(n)) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%w: the table has %d partitions", ErrNoSpace, count)
}

func (g *gptEdit) remove(number int) error {
	e, err := g.entry(number)
	if err == nil {
		clear(e)
	}
	return err
}

func (g *gptEdit) resize(number int, end uint64) error {
	e, err := g.entry(number)
	if err != nil {
		return err
	}
	first := le.Uint64(e[32:])
	if end <= first {
		return fmt.Errorf("%w end of partition %d: it is before its start", ErrInvalid, number)
	}
	where := span{first, end}
	if !g.usable().contains(where) {
		return fmt.Errorf("%w: partition %d would leave the usable part of the disk", ErrNoSpace, number)
	}
	for _, u := range g.used(number) {
		if u.overlaps(where) {
			return fmt.Errorf("%w: partition %d would overlap another one", ErrNoSpace, number)
		}
	}
	le.PutUint64(e[40:], end-1)
	return nil
}

func (g *gptEdit) setType(number int, kind string) error {
	e, err := g.entry(number)
	if err != nil {
		return err
	}
	id, err := parseGUID(kind)
	if err == nil {
		copy(e, id[:])
	}
	return err
}

func (g *gptEdit) setBootable(number int, on bool) error {
	e, err := g.entry(number)
	switch {
	case err != nil:
		return err
	case on:
		return g.setType(number, guidEFI)
	case guid(e) == guidEFI:
		return g.setType(number, guidLinux)
	}
	return nil
}

func (g *gptEdit) setID(id string) error {
	b, err := guidOr(id, g.e.rand)
	if err == nil {
		copy(g.header[56:], b[:])
	}
	return err
}

func (g *gptEdit) setName(number int, name string) error {
	e, err := g.entry(number)
	if err != nil {
		return err
	}
	b, err := encodeName(name)
	if err == nil {
		clear(e[56:128])
		copy(e[56:128], b)
	}
	return err
}

func (g *gptEdit) setUUID(number int, uuid string) error {
	e, err := g.entry(number)
	if err != nil {
		return err
	}
	id, err := guidOr(uuid, g.e.rand)
	if err == nil {
		copy(e[16:], id[:])
	}
	return err
}

func (g *gptEdit) setAttributes(number int, attributes uint64) error {
	e, err := g.entry(number)
	if err == nil {
		le.PutUint64(e[48:], attributes)
	}
	return err
}

// encodeName is the reverse of name16.
func encodeName(name string) ([]byte, error) {
	units := utf16.Encode([]rune(name))
	if !utf8.ValidString(name) || len(units) > gptName || bytes.IndexByte([]byte(name), 0) >= 0 {
		return nil, fmt.Errorf("%w name of a partition: %q (of up to %d UTF-16 units)", ErrInvalid, name, gptName)
	}
	b := make([]byte, 0, 2*len(units))
	for _, u := range units {
		b = le.AppendUint16(b, u)
	}
	return b, nil
}
