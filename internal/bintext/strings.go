package bintext

import (
	"bufio"
	"io"
)

// An Encoding is one of characters that strings(1) knows: a width in bytes, which byte of
// them is the character, and whether that may have its high bit set.
type Encoding struct {
	width, at int
	high      bool
}

// ASCII is the encoding of characters of 7 bits.
var ASCII = Encoding{width: 1}

// ParseEncoding returns an encoding by its letter for strings(1): "s" is ASCII, "S" bytes of
// 8 bits, "b" and "l" 16 bits, "B" and "L" 32 bits, where "b" and "B" are big endian.
func ParseEncoding(letter string) (e Encoding, ok bool) {
	switch letter {
	case "s":
		return ASCII, true
	case "S":
		return Encoding{1, 0, true}, true
	case "b":
		return Encoding{2, 1, false}, true
	case "l":
		return Encoding{2, 0, false}, true
	case "B":
		return Encoding{4, 3, false}, true
	case "L":
		return Encoding{4, 0, false}, true
	}
	return e, false
}

// minString is the length of the shortest string.
const minString = 4

// Strings calls add with the runs of at least four printable characters, until it returns an
// error, which is returned. Of a run of more than limit bytes, the error is [bufio.ErrTooLong].
// add must not keep the run.
func Strings(r io.Reader, e Encoding, limit int, add func(run []byte) error) error {
	in := bufio.NewReaderSize(r, 256<<10)
	var run []byte
	end := func() error {
		defer func() { run = run[:0] }()
		if len(run) < minString {
			return nil
		}
		return add(run)
	}
	unit := make([]byte, 0, 4)
	for {
		b, err := in.ReadByte()
		if err == io.EOF {
			return end()
		}
		if err != nil {
			return err
		}
		if unit = append(unit, b); len(unit) < e.width {
			continue
		}
		c, ok := e.char(unit)
		if ok {
			unit = unit[:0]
			if run = append(run, c); len(run) > limit {
				return bufio.ErrTooLong
			}
			continue
		}
		// Strings begin at any byte: the rest of this unit may be the start of one.
		if err := end(); err != nil {
			return err
		}
		unit = append(unit[:0], unit[1:]...)
	}
}

func (e Encoding) char(unit []byte) (c byte, ok bool) {
	c = unit[e.at]
	for i, b := range unit {
		if i != e.at && b != 0 {
			return 0, false
		}
	}
	return c, c >= ' ' && c < 0x7f || c == '\t' || e.high && c >= 0x80
}
