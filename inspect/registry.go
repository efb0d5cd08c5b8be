package inspect

import (
	"encoding/binary"
	"io"
	"unicode/utf16"
)

// OpenHive opens a file of the registry of Windows, of size bytes. What it returns
// reads from r until inspection closes the file; the file is closed after the last
// use of the key.
type OpenHive func(r io.ReaderAt, size int64) (root Key, err error)

// A Key is a key of the registry. Names are compared without regard to case.
type Key interface {
	// Name returns the key's own name.
	Name() string
	// Child returns the key of that name below this one. The error wraps
	// [io/fs.ErrNotExist] if there is none.
	Child(name string) (Key, error)
	// Children returns all the keys below this one.
	Children() ([]Key, error)
	// Value returns a value of the key. The error wraps [io/fs.ErrNotExist] if
	// there is none.
	Value(name string) (Value, error)
}

// Value is a value of the registry.
type Value struct {
	Type uint32 // of winnt.h: REG_SZ and so on
	Data []byte // as it is in the file
}

// The types of values that inspection knows, from winnt.h.
const (
	RegSZ       = 1 // UTF-16, little endian
	RegExpandSZ = 2
	RegDword    = 4
	RegMultiSZ  = 7
)

// Text returns the value as a string, the first one if it has several, or "" if it is
// none.
func (v Value) Text() string {
	if v.Type != RegSZ && v.Type != RegExpandSZ && v.Type != RegMultiSZ {
		return ""
	}
	data := v.Data
	if len(data) > 2*maxText {
		data = data[:2*maxText]
	}
	units := make([]uint16, 0, len(data)/2)
	for ; len(data) >= 2; data = data[2:] {
		u := binary.LittleEndian.Uint16(data)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return clean(string(utf16.Decode(units)))
}

// Number returns the value of a REG_DWORD.
func (v Value) Number() (n uint32, ok bool) {
	if v.Type != RegDword || len(v.Data) < 4 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(v.Data), true
}

// hive is an open file of the registry. Its zero value is an empty one.
type hive struct {
	root Key
	t    *tree
}

// withHive calls do with a hive. A hive that cannot be read is a problem, and empty.
func (in *Inspector) withHive(t *tree, name string, do func(hive)) {
	h := hive{t: t}
	if f, size := t.open(name); f != nil && in.OpenHive != nil {
		defer f.Close()
		r, size, err := readerAt(f, size, maxHive)
		if err == nil {
			h.root, err = in.OpenHive(r, size)
		}
		if err != nil {
			t.note(name, err)
		}
	} else if f != nil {
		f.Close()
	}
	do(h)
}

// key follows names from the root. It returns nil if there is no such key.
func (h hive) key(names ...string) Key {
	k := h.root
	for _, name := range names {
		if k == nil {
			return nil
		}
		child, err := k.Child(name)
		if err != nil {
			h.t.note("registry", err)
			return nil
		}
		k = child
	}
	return k
}

// value returns a key's value, an empty one if it has none.
func (h hive) value(k Key, name string) Value {
	if k == nil {
		return Value{}
	}
	v, err := k.Value(name)
	if err != nil {
		h.t.note("registry", err)
		return Value{}
	}
	return v
}
