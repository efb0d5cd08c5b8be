package hive

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// A Value is what a node's value has, or is to have (hive_set_value).
type Value struct {
	Name string // "" for the default value
	Type Type
	Data []byte // as it is stored: see StringData and its like
}

// Text returns the data as a string, if the type is one of String, ExpandString,
// Link. It ends at the first zero, if there is one.
func (v Value) Text() (string, error) {
	switch v.Type {
	case String, ExpandString, Link:
		s, _ := cutString(unitsOf(v.Data, false))
		return s, nil
	}
	return "", v.typeError("string")
}

// Strings returns the strings in the data, if the type is MultiString. Each ends with
// a zero; one zero more ends the list, and is not a string, though hivex takes it for one.
// An empty string before that is one, as in Windows's list of files to rename at boot.
func (v Value) Strings() ([]string, error) {
	if v.Type != MultiString {
		return nil, v.typeError("list of strings")
	}
	list := []string{}
	for u := unitsOf(v.Data, false); len(u) > 1 || len(u) == 1 && u[0] != 0; {
		var s string
		s, u = cutString(u)
		list = append(list, s)
	}
	return list, nil
}

// Number returns the number in the data, if the type is DWord, DWordBigEndian or
// QWord. More bytes than its own are ignored.
func (v Value) Number() (uint64, error) {
	switch {
	case v.Type == DWord && len(v.Data) >= 4:
		return uint64(le.Uint32(v.Data)), nil
	case v.Type == DWordBigEndian && len(v.Data) >= 4:
		d := v.Data
		return uint64(d[0])<<24 | uint64(d[1])<<16 | uint64(d[2])<<8 | uint64(d[3]), nil
	case v.Type == QWord && len(v.Data) >= 8:
		return le.Uint64(v.Data), nil
	}
	return 0, v.typeError("number")
}

// String returns the data for a person to read: text, a number in decimal, or bytes
// in hexadecimal.
func (v Value) String() string {
	if s, err := v.Text(); err == nil {
		return s
	}
	if list, err := v.Strings(); err == nil {
		return strings.Join(list, ", ")
	}
	if n, err := v.Number(); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return hex.EncodeToString(v.Data)
}

func (v Value) typeError(wanted string) error {
	return fmt.Errorf("value %q, %d bytes of %s, as a %s: %w", v.Name, len(v.Data), v.Type, wanted, ErrType)
}

// cutString returns what is before the first zero, and what follows it.
func cutString(u units) (string, units) {
	for i, c := range u {
		if c == 0 {
			return string(utf16.Decode(u[:i])), u[i+1:]
		}
	}
	return string(utf16.Decode(u)), nil
}

// ValueString returns the value as a string (hivex_value_string): [Value.Text].
func (h *Hive) ValueString(id ValueID) (string, error) {
	v, err := h.valueOf(id)
	if err != nil {
		return "", err
	}
	return v.Text()
}

// ValueStrings returns the strings of a value (hivex_value_multiple_strings):
// [Value.Strings].
func (h *Hive) ValueStrings(id ValueID) ([]string, error) {
	v, err := h.valueOf(id)
	if err != nil {
		return nil, err
	}
	return v.Strings()
}

// ValueNumber returns the value as a number (hivex_value_dword, hivex_value_qword):
// [Value.Number].
func (h *Hive) ValueNumber(id ValueID) (uint64, error) {
	v, err := h.valueOf(id)
	if err != nil {
		return 0, err
	}
	return v.Number()
}

func (h *Hive) valueOf(id ValueID) (v Value, err error) {
	if v.Name, err = h.ValueName(id); err != nil {
		return Value{}, err
	}
	v.Type, v.Data, err = h.ValueData(id)
	return v, err
}

// StringData returns a string as Windows stores it: UTF-16, with a zero at its end.
func StringData(s string) []byte {
	u := append(toUnits(s), 0)
	b := make([]byte, 2*len(u))
	for i, c := range u {
		le.PutUint16(b[2*i:], c)
	}
	return b
}

// StringsData returns the data of a MultiString. An empty string among them ends it for
// many readers.
func StringsData(list []string) []byte {
	var b []byte
	for _, s := range list {
		b = append(b, StringData(s)...)
	}
	return append(b, 0, 0)
}

// DWordData returns the data of a DWord.
func DWordData(n uint32) []byte { return le.AppendUint32(nil, n) }

// QWordData returns the data of a QWord.
func QWordData(n uint64) []byte { return le.AppendUint64(nil, n) }
