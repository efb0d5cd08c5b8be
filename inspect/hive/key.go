package hive

import (
	"fmt"
	"strings"
)

// A Key is a node, for a program that knows what it looks for. Its methods name the
// path in their errors.
type Key struct {
	h    *Hive
	id   NodeID
	path string
}

// Lookup returns the key at a path from the root, a name an element, in whatever
// case: h.Lookup("Microsoft", "Windows NT", "CurrentVersion"). An element may hold
// several names with backslashes between them. The error wraps fs.ErrNotExist
// if there is no such key.
func (h *Hive) Lookup(path ...string) (Key, error) {
	root, err := h.Root()
	if err != nil {
		return Key{}, err
	}
	return Key{h, root, ""}.Lookup(path...)
}

// Lookup returns the key at a path from k.
func (k Key) Lookup(path ...string) (Key, error) {
	for _, name := range strings.Split(strings.Join(path, `\`), `\`) {
		if name == "" {
			continue
		}
		id, err := k.h.Child(k.id, name)
		k = Key{k.h, id, k.path + `\` + name}
		if err != nil {
			return Key{}, k.wrap(err)
		}
	}
	return k, nil
}

func (k Key) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("registry key %s: %w", k.Path(), err)
}

// ID returns the node.
func (k Key) ID() NodeID { return k.id }

// Path returns the path as it was looked up, `\` for the root.
func (k Key) Path() string {
	if k.path == "" {
		return `\`
	}
	return k.path
}

// Children returns the names of the key's children, in the order of the file.
func (k Key) Children() ([]string, error) {
	ids, err := k.h.Children(k.id)
	if err != nil {
		return nil, k.wrap(err)
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		if names[i], err = k.h.NodeName(id); err != nil {
			return nil, k.wrap(err)
		}
	}
	return names, nil
}

// ValueNames returns the names of the key's values, in the order of the file.
func (k Key) ValueNames() ([]string, error) {
	ids, err := k.h.Values(k.id)
	if err != nil {
		return nil, k.wrap(err)
	}
	names := make([]string, len(ids))
	for i, id := range ids {
		if names[i], err = k.h.ValueName(id); err != nil {
			return nil, k.wrap(err)
		}
	}
	return names, nil
}

// Value returns the value with a name, "" for the default value. The error wraps
// fs.ErrNotExist if there is none.
func (k Key) Value(name string) (Value, error) {
	id, err := k.h.Value(k.id, name)
	if err != nil {
		return Value{}, k.wrap(err)
	}
	t, data, err := k.h.ValueData(id)
	if err != nil {
		return Value{}, k.wrap(err)
	}
	return Value{Name: name, Type: t, Data: data}, nil
}

// String returns the value with a name as a string: [Value.Text].
func (k Key) String(name string) (string, error) {
	v, err := k.Value(name)
	if err != nil {
		return "", err
	}
	s, err := v.Text()
	return s, k.wrap(err)
}

// Number returns the value with a name as a number: [Value.Number].
func (k Key) Number(name string) (uint64, error) {
	v, err := k.Value(name)
	if err != nil {
		return 0, err
	}
	n, err := v.Number()
	return n, k.wrap(err)
}
