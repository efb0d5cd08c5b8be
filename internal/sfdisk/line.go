package sfdisk

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/unboot/unboot/volume/part"
)

// shortcuts are letters for types, of which X and E mean the same.
var shortcuts = map[string]string{"": "", "L": "83", "S": "82", "E": "5", "X": "5", "V": "8e", "R": "fd", "U": "ef"}

// A Line is what a line says. A start that was left out is -1; a size or type that was left
// out is 0 or "", which [part.Editor.Add] fills in.
type Line struct {
	part.Spec
	Bootable bool
}

// A LineError is about a line that cannot be understood.
type LineError struct {
	Line, Field string
	Want        string // what the field should be
}

func (e *LineError) Error() string {
	return fmt.Sprintf("sfdisk: %q: %q is not a %s", e.Line, e.Field, e.Want)
}

// Parse reads a line whose places and sizes count in units of unit bytes. The error is a
// [*LineError].
func Parse(text string, unit int64) (l Line, err error) {
	f := strings.Fields(text)
	if strings.Contains(text, ",") {
		f = strings.Split(text, ",")
	}
	f = append(f, "", "", "", "")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	l.Start = -1
	for i, v := range []*int64{&l.Start, &l.Size} {
		if f[i] == "" || f[i] == "+" { // both mean the default
			continue
		}
		n, err := strconv.ParseInt(f[i], 10, 64)
		// The bound leaves room for the sum of a start and a size.
		if err != nil || n < 0 || n > 1<<62/unit {
			return l, &LineError{text, f[i], "place or size"}
		}
		*v = n * unit
	}
	kind, ok := shortcuts[f[2]]
	if !ok {
		kind = strings.TrimPrefix(f[2], "0x")
	}
	if kind != "" || !ok {
		id, err := strconv.ParseUint(kind, 16, 8)
		if err != nil {
			return l, &LineError{text, f[2], "type"}
		}
		l.Type = fmt.Sprintf("0x%02x", id)
		switch id {
		case 0x5, 0xf, 0x85:
			l.Role = part.Extended
		}
	}
	l.Bootable = f[3] == "*"
	return l, nil
}

// add adds the partition of a line to a table.
func (l Line) add(e *part.Editor) error {
	n, err := e.Add(l.Spec)
	if err == nil && l.Bootable {
		err = e.SetBootable(n, true)
	}
	return err
}

// Make adds the partitions of lines to an empty MBR table.
func Make(e *part.Editor, lines []string, unit int64) error {
	for i, text := range lines {
		l, err := Parse(text, unit)
		if err != nil {
			return err
		}
		// An MBR has four entries; the lines after the fourth are logical partitions.
		if i >= 4 {
			l.Role = part.Logical
		}
		if err := l.add(e); err != nil {
			return err
		}
	}
	return nil
}

// Set makes a partition, or changes the one that has the number; what the line leaves out
// stays as it was.
func Set(e *part.Editor, number int, text string, unit int64) error {
	l, err := Parse(text, unit)
	if err != nil {
		return err
	}
	old, err := e.Table()
	if err != nil {
		return err
	}
	for _, p := range old.Partitions {
		if p.Number != number {
			continue
		}
		if l.Start == -1 {
			l.Start = p.Start
		}
		if l.Size == 0 {
			l.Size = p.Size
		}
		if l.Type == "" {
			l.Type = p.Type
		}
		if err := e.Delete(number); err != nil {
			return err
		}
	}
	// Logical partitions are numbered by their places.
	if l.Number = number; number > 4 && e.Type() == "dos" {
		l.Number, l.Role = 0, part.Logical
	}
	return l.add(e)
}
