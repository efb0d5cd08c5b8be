package hive

import (
	"fmt"
	"slices"
)

// SetValues replaces all values of a node (hivex_node_set_values). Their old handles
// become invalid. Two values of the same name, in whatever case, are ErrInvalid.
func (h *Hive) SetValues(id NodeID, values []Value) error {
	if err := h.setValues(id, values); err != nil {
		return fmt.Errorf("set values of node %#x: %w", uint32(id), err)
	}
	return nil
}

// SetValue replaces the value of a node that has the same name in whatever case, or
// adds one (hivex_node_set_value). A value that is replaced keeps its place, and
// handles of the other ones stay valid.
func (h *Hive) SetValue(id NodeID, v Value) error {
	if err := h.setValue(id, v); err != nil {
		return fmt.Errorf("set value %q of node %#x: %w", v.Name, uint32(id), err)
	}
	return nil
}

// DeleteValue deletes the value of a node that has a name, in whatever case. The
// error wraps fs.ErrNotExist if there is none.
func (h *Hive) DeleteValue(id NodeID, name string) error {
	if h.edit == nil {
		return fmt.Errorf("delete value %q of node %#x: %w", name, uint32(id), ErrReadOnly)
	}
	at, err := h.Value(id, name)
	if err == nil {
		err = h.replaceValues(id, func(_ *allocation, old []ref) []ref {
			return slices.DeleteFunc(old, func(r ref) bool { return r == at.ref() })
		})
	}
	if err != nil {
		return fmt.Errorf("delete value %q of node %#x: %w", name, uint32(id), err)
	}
	return nil
}

func (h *Hive) setValues(id NodeID, values []Value) error {
	if h.edit == nil {
		return ErrReadOnly
	}
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		u, err := v.check()
		if err != nil {
			return err
		}
		stored, _ := u.upper().encode()
		if seen[string(stored)] {
			return fmt.Errorf("two values %q: %w", v.Name, ErrInvalid)
		}
		seen[string(stored)] = true
	}
	return h.replaceValues(id, func(a *allocation, _ []ref) []ref {
		refs := make([]ref, len(values))
		for i, v := range values {
			refs[i] = h.newValue(a, v)
		}
		return refs
	})
}

func (h *Hive) setValue(id NodeID, v Value) error {
	if h.edit == nil {
		return ErrReadOnly
	}
	u, err := v.check()
	if err != nil {
		return err
	}
	name := u.upper()
	return h.replaceValues(id, func(a *allocation, old []ref) []ref {
		at := h.newValue(a, v)
		for i, r := range old {
			// One that cannot be read has another name.
			if o, err := h.valueAt(r); err == nil && name.compareStored(o.storedName(), o.compressed()) == 0 {
				old[i] = at
				return old
			}
		}
		return append(old, at)
	})
}

// check returns the name, if a hive can hold the value.
func (v Value) check() (units, error) {
	if len(v.Data) > MaxSize {
		return nil, fmt.Errorf("%d bytes: %w", len(v.Data), ErrTooLarge)
	}
	return checkName(v.Name, maxValueName)
}

// newValue stores a value that is in no list yet.
func (h *Hive) newValue(a *allocation, v Value) ref {
	stored, compressed := toUnits(v.Name).encode()
	b := make([]byte, vkName+len(stored))
	copy(b, "vk")
	le.PutUint16(b[vkNameLen:], uint16(len(stored)))
	le.PutUint32(b[vkType:], uint32(v.Type))
	if compressed && len(stored) > 0 { // Windows and hivex leave it out of a default value
		le.PutUint16(b[vkFlags:], vkCompressed)
	}
	copy(b[vkName:], stored)
	if n := len(v.Data); n <= 4 {
		le.PutUint32(b[vkDataLen:], uint32(n)|inline)
		copy(b[vkData:vkData+4], v.Data)
	} else {
		le.PutUint32(b[vkDataLen:], uint32(n))
		putRef(b[vkData:], h.newData(a, v.Data))
	}
	return a.store(b)
}

// newData stores the data of a value.
func (h *Hive) newData(a *allocation, data []byte) ref {
	count := (len(data) + segmentSize - 1) / segmentSize
	if count <= 1 || h.minor < bigDataMinor || count > 0xffff {
		return a.store(data)
	}
	var list []byte
	for segment := range slices.Chunk(data, segmentSize) {
		// hivex never takes the last 4 bytes of a segment's cell for data.
		list = le.AppendUint32(list, uint32(a.storeIn(len(segment)+4, segment)))
	}
	b := make([]byte, dbSize)
	copy(b, "db")
	le.PutUint16(b[dbCount:], uint16(count))
	putRef(b[dbList:], a.store(list))
	return a.store(b)
}

// replaceValues gives a node the list of values that choose makes from its old one,
// which choose may change and return, and frees the values that are not in the new one.
func (h *Hive) replaceValues(id NodeID, choose func(a *allocation, old []ref) []ref) error {
	n, err := h.node(id)
	if err != nil {
		return err
	}
	list, err := h.valueRefs(n)
	if err != nil && h.edit.sound {
		return err
	}
	old := make([]ref, 0, len(list)/4+1)
	for b := list; len(b) > 0; b = b[4:] {
		old = append(old, getRef(b))
	}
	a := allocation{h: h}
	values := choose(&a, slices.Clone(old))
	where := none
	if len(values) > 0 {
		var items []byte
		for _, r := range values {
			items = le.AppendUint32(items, uint32(r))
		}
		where = a.store(items)
	}
	if a.failed() {
		return a.err
	}
	// From here on nothing can fail.
	keep := make(map[ref]bool, len(values))
	for _, r := range values {
		keep[r] = true
	}
	b := h.data[n.at.offset()+4:]
	if len(old) > 0 {
		h.free(getRef(b[nkValueList:]))
	}
	for _, r := range old {
		if !keep[r] {
			h.freeValue(r)
		}
	}
	putRef(b[nkValueList:], where)
	le.PutUint32(b[nkValues:], uint32(len(values)))
	le.PutUint64(b[nkTime:], h.now())
	h.setValueLimits(b, values)
	return nil
}

// setValueLimits notes the sizes of the largest name and data.
func (h *Hive) setValueLimits(nk []byte, values []ref) {
	name, data := 0, uint32(0)
	for _, r := range values {
		v, err := h.valueAt(r)
		if err != nil {
			continue
		}
		h.edit.set(r, cellValue)
		size := len(v.storedName())
		if v.compressed() {
			size *= 2
		}
		name = max(name, size)
		data = max(data, le.Uint32(v.b[vkDataLen:])&^inline)
	}
	le.PutUint32(nk[nkMaxValueName:], uint32(name))
	le.PutUint32(nk[nkMaxValueData:], data)
}
