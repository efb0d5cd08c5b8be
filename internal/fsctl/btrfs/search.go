package btrfs

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// The trees and the items of linux/btrfs_tree.h that are looked for.
const (
	rootTree    = 1
	rootTreeDir = 6

	dirItem     = 84
	rootItem    = 132
	rootBackref = 144

	firstFree = 256
	lastFree  = ^uint64(255)
)

// An Item is one of a tree: its key, of which Kind is the type, and its data.
type Item struct {
	Object, Offset uint64
	Kind           uint32
	Data           []byte
}

// Search calls visit with the items of a tree whose objects and types are in a range, until
// it returns false. It must not keep the data.
func (f FS) Search(tree, minObject, maxObject uint64, minKind, maxKind uint32, visit func(Item) bool) error {
	const keySize, headerSize = 104, 32
	arg := make([]byte, 4096)
	le := binary.NativeEndian
	object, kind, offset := minObject, minKind, uint64(0)
	for {
		clear(arg)
		for i, v := range []uint64{tree, object, maxObject, offset, ^uint64(0), 0, ^uint64(0)} {
			le.PutUint64(arg[8*i:], v)
		}
		le.PutUint32(arg[56:], kind)
		le.PutUint32(arg[60:], maxKind)
		le.PutUint32(arg[64:], 4096)
		if _, err := f.View.Ioctl(f.FD, number(3, 17, 4096), arg); err != nil {
			return err
		}
		n := le.Uint32(arg[64:])
		if n == 0 {
			return nil
		}
		var last Item
		rest := arg[keySize:]
		for range n {
			if len(rest) < headerSize {
				return unix.EUCLEAN
			}
			last = Item{Object: le.Uint64(rest[8:]), Offset: le.Uint64(rest[16:]), Kind: le.Uint32(rest[24:])}
			size := int(le.Uint32(rest[28:]))
			if rest = rest[headerSize:]; size < 0 || size > len(rest) {
				return unix.EUCLEAN
			}
			last.Data, rest = rest[:size], rest[size:]
			// A range of keys has others between.
			if last.Kind >= minKind && last.Kind <= maxKind && !visit(last) {
				return nil
			}
		}
		// The next key after the last one.
		object, kind, offset = last.Object, last.Kind, last.Offset+1
		if offset == 0 {
			if kind++; kind > 255 {
				kind = 0
				if object++; object == 0 {
					return nil
				}
			}
		}
		if object > maxObject {
			return nil
		}
	}
}
