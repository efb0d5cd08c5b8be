package guestfs

import (
	"io"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/hive"
)

// inspector finds applications, of Windows too.
var inspector = inspect.Inspector{OpenHive: func(r io.ReaderAt, size int64) (inspect.Key, error) {
	h, err := hive.Open(r, size, 0)
	if err != nil {
		return nil, err
	}
	root, err := h.Root()
	if err != nil {
		return nil, err
	}
	return hiveKey{h, root}, nil
}}

// hiveKey is a key of the registry as inspection wants it.
type hiveKey struct {
	h  *hive.Hive
	id hive.NodeID
}

// Name implements inspect.Key. A key whose name cannot be read has none.
func (k hiveKey) Name() string {
	name, _ := k.h.NodeName(k.id)
	return name
}

// Child implements inspect.Key.
func (k hiveKey) Child(name string) (inspect.Key, error) {
	id, err := k.h.Child(k.id, name)
	if err != nil {
		return nil, err
	}
	return hiveKey{k.h, id}, nil
}

// Children implements inspect.Key.
func (k hiveKey) Children() ([]inspect.Key, error) {
	ids, err := k.h.Children(k.id)
	var l []inspect.Key
	for _, id := range ids {
		l = append(l, hiveKey{k.h, id})
	}
	return l, err
}

// Value implements inspect.Key.
func (k hiveKey) Value(name string) (inspect.Value, error) {
	id, err := k.h.Value(k.id, name)
	if err != nil {
		return inspect.Value{}, err
	}
	t, data, err := k.h.ValueData(id)
	return inspect.Value{Type: uint32(t), Data: data}, err
}
