package hive

import (
	"bytes"
	"fmt"
	"io/fs"
)

// A ValueID is the handle of a value, never 0 (hive_value_h).
type ValueID uint32

// A Type is what a value claims to be (hive_type). Programs use others than these,
// too.
type Type uint32

// The types of Windows.
const (
	None Type = iota
	String
	ExpandString // with %VARIABLES%
	Binary
	DWord
	DWordBigEndian
	Link
	MultiString
	ResourceList
	FullResourceDescriptor
	ResourceRequirementsList
	QWord
)

var typeNames = [...]string{
	"REG_NONE", "REG_SZ", "REG_EXPAND_SZ", "REG_BINARY", "REG_DWORD", "REG_DWORD_BIG_ENDIAN", "REG_LINK",
	"REG_MULTI_SZ", "REG_RESOURCE_LIST", "REG_FULL_RESOURCE_DESCRIPTOR", "REG_RESOURCE_REQUIREMENTS_LIST",
	"REG_QWORD",
}

// String returns the name that Windows's documentation has for the type.
func (t Type) String() string {
	if int64(t) < int64(len(typeNames)) {
		return typeNames[t]
	}
	return fmt.Sprintf("type %#x", uint32(t))
}

// Fields of a value's record, "vk", in bytes from its beginning.
const (
	vkNameLen = 2
	vkDataLen = 4
	vkData    = 8 // ref, or up to 4 bytes of data
	vkType    = 12
	vkFlags   = 16
	vkName    = 20
)

const (
	vkCompressed = 1 // in vkFlags: the name is a byte a character
	inline       = 1 << 31
)

// A list of segments, "db", holds data of more than segmentSize bytes, since version
// 1.4. All segments but the last are full.
const (
	segmentSize  = 16344
	dbCount      = 2
	dbList       = 4
	dbSize       = 8
	bigDataMinor = 4
)

// A value is the record of a value in the hive's memory.
type value struct {
	at ref
	b  []byte
}

func (id ValueID) ref() ref { return ref(id - headerSize) }

func (h *Hive) valueAt(at ref) (value, error) {
	b, err := h.named(at, "vk", vkName, vkNameLen)
	return value{at, b}, err
}

// value reads the record that a handle means.
func (h *Hive) value(id ValueID) (value, error) {
	if id < headerSize || h.edit != nil && !h.edit.has(id.ref(), cellValue) {
		return value{}, fmt.Errorf("value %#x: %w", uint32(id), ErrHandle)
	}
	v, err := h.valueAt(id.ref())
	if err != nil {
		err = handleError("value", uint32(id), err)
	}
	return v, err
}

func (v value) compressed() bool { return le.Uint16(v.b[vkFlags:])&vkCompressed != 0 }

func (v value) storedName() []byte {
	return v.b[vkName : vkName+int(le.Uint16(v.b[vkNameLen:]))]
}

func (v value) name() string { return nameString(v.storedName(), v.compressed()) }

func (v value) kind() Type { return Type(le.Uint32(v.b[vkType:])) }

// Values returns the values of a node, in the order of the file (hivex_node_values).
func (h *Hive) Values(id NodeID) ([]ValueID, error) {
	n, err := h.node(id)
	if err != nil {
		return nil, err
	}
	list, err := h.valueRefs(n)
	if err != nil {
		return nil, fmt.Errorf("values of node %#x: %w", uint32(id), err)
	}
	values := make([]ValueID, 0, len(list)/4)
	for ; len(list) > 0; list = list[4:] {
		at := getRef(list)
		if _, err := h.valueAt(at); err == nil {
			values = append(values, ValueID(at+headerSize))
		} else if h.flags&Unsafe == 0 {
			return nil, fmt.Errorf("values of node %#x: %w", uint32(id), err)
		}
	}
	return values, nil
}

// valueRefs returns the list of a node's values, in the hive's memory.
func (h *Hive) valueRefs(n node) ([]byte, error) {
	count := int64(n.u32(nkValues))
	if count == 0 {
		return nil, nil
	}
	if count > h.size()/4 {
		return nil, corrupt(n.at, "a node with %d values", count)
	}
	return h.refs(getRef(n.b[nkValueList:]), int(count))
}

// Value returns the value of a node that has a name, in whatever case; "" is the
// default value (hivex_node_get_value). If there is none the error wraps
// fs.ErrNotExist.
func (h *Hive) Value(id NodeID, name string) (ValueID, error) {
	n, err := h.node(id)
	if err != nil {
		return 0, err
	}
	list, err := h.valueRefs(n)
	if err != nil {
		return 0, fmt.Errorf("value %q of node %#x: %w", name, uint32(id), err)
	}
	wanted := toUnits(name).upper()
	fault := fs.ErrNotExist
	for ; len(list) > 0; list = list[4:] {
		v, err := h.valueAt(getRef(list))
		if err != nil {
			if h.flags&Unsafe == 0 {
				fault = err // it might be the one
			}
			continue
		}
		if wanted.compareStored(v.storedName(), v.compressed()) == 0 {
			return ValueID(v.at + headerSize), nil
		}
	}
	return 0, fmt.Errorf("value %q of node %#x: %w", name, uint32(id), fault)
}

// ValueName returns the name of a value, "" for the default value
// (hivex_value_key).
func (h *Hive) ValueName(id ValueID) (string, error) {
	v, err := h.value(id)
	if err != nil {
		return "", err
	}
	return v.name(), nil
}

// ValueType returns the type of a value, and its length in bytes as its record has
// it (hivex_value_type).
func (h *Hive) ValueType(id ValueID) (Type, int, error) {
	v, err := h.value(id)
	if err != nil {
		return 0, 0, err
	}
	return v.kind(), int(le.Uint32(v.b[vkDataLen:]) &^ inline), nil
}

// ValueData returns the type and the bytes of a value (hivex_value_value). If its
// record promises more bytes than its cell has, it returns those of the cell.
func (h *Hive) ValueData(id ValueID) (Type, []byte, error) {
	v, err := h.value(id)
	if err != nil {
		return 0, nil, err
	}
	data, err := h.dataOf(v)
	if err != nil {
		return 0, nil, fmt.Errorf("data of value %#x: %w", uint32(id), err)
	}
	return v.kind(), data, nil
}

// dataOf returns a copy of a value's data.
func (h *Hive) dataOf(v value) ([]byte, error) {
	size := int64(le.Uint32(v.b[vkDataLen:]))
	if size&inline != 0 {
		if size &^= inline; size > 4 {
			return nil, corrupt(v.at, "%d bytes instead of a ref", size)
		}
		return bytes.Clone(v.b[vkData : vkData+size]), nil
	}
	if size == 0 {
		return []byte{}, nil
	}
	if size > h.size() {
		return nil, corrupt(v.at, "a value of %d bytes", size)
	}
	b, cell, err := h.cell(getRef(v.b[vkData:]), size)
	if err != nil {
		return nil, err
	}
	if !h.isBig(size, cell, b) {
		return bytes.Clone(b), nil
	}
	data := make([]byte, 0, size)
	err = h.segments(getRef(v.b[vkData:]), b, size, func(_ ref, segment []byte) { data = append(data, segment...) })
	return data, err
}

// isBig reports whether the cell of a value's data, whose beginning is b, is a list of
// segments.
func (h *Hive) isBig(size, cell int64, b []byte) bool {
	return size > segmentSize && size > cell && h.minor >= bigDataMinor &&
		len(b) >= dbSize && string(b[:2]) == "db"
}

// segments calls f for each segment of data of size bytes, whose record is b.
func (h *Hive) segments(at ref, b []byte, size int64, f func(at ref, data []byte)) error {
	n := int(le.Uint16(b[dbCount:]))
	if want := (size + segmentSize - 1) / segmentSize; int64(n) != want {
		return corrupt(at, "%d segments for %d bytes", n, size)
	}
	list, err := h.refs(getRef(b[dbList:]), n)
	if err != nil {
		return err
	}
	for ; len(list) > 0; list = list[4:] {
		segment := getRef(list)
		want := min(size, segmentSize)
		data, _, err := h.cell(segment, want)
		if err != nil {
			return err
		}
		if int64(len(data)) < want {
			return corrupt(segment, "a segment of %d bytes, not %d", len(data), want)
		}
		f(segment, data)
		size -= want
	}
	return nil
}
