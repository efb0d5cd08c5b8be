// Package registry joins package inspect to the reader of the registry's files: what is
// said of a Windows is in them, for the most part.
//
//	in := &inspect.Inspector{OpenHive: registry.Open}
//
// They are two packages so that a program that has to do with Linux only is spared the
// reader, and a test can have a registry of its own.
package registry

import (
	"io"

	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/hive"
)

// Open opens a file of the registry, of size bytes: it is an [inspect.OpenHive]. It reads
// what is asked for, when it is. A hive that was not written to its end is read as it
// lies there, without its logs.
func Open(r io.ReaderAt, size int64) (inspect.Key, error) {
	h, err := hive.Open(r, size, 0)
	if err != nil {
		return nil, err
	}
	root, err := h.Root()
	if err != nil {
		return nil, err
	}
	return key{h, root}, nil
}

// key is a key of the registry as inspection wants it.
type key struct {
	h  *hive.Hive
	id hive.NodeID
}

// Name implements inspect.Key. A key whose name cannot be read has none.
func (k key) Name() string {
	name, _ := k.h.NodeName(k.id)
	return name
}

// Child implements inspect.Key.
func (k key) Child(name string) (inspect.Key, error) {
	id, err := k.h.Child(k.id, name)
	if err != nil {
		return nil, err
	}
	return key{k.h, id}, nil
}

// Children implements inspect.Key.
func (k key) Children() ([]inspect.Key, error) {
	ids, err := k.h.Children(k.id)
	var l []inspect.Key
	for _, id := range ids {
		l = append(l, key{k.h, id})
	}
	return l, err
}

// Value implements inspect.Key.
func (k key) Value(name string) (inspect.Value, error) {
	id, err := k.h.Value(k.id, name)
	if err != nil {
		return inspect.Value{}, err
	}
	t, data, err := k.h.ValueData(id)
	return inspect.Value{Type: uint32(t), Data: data}, err
}
