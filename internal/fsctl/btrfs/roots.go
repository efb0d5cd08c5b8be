package btrfs

import (
	"encoding/binary"
	"time"
)

// A Root is what the tree of roots has of a subvolume: a struct btrfs_root_item. Times are
// zero if they are not set.
type Root struct {
	UUID         UUID
	ParentUUID   UUID // of what it is a snapshot of
	ReceivedUUID UUID
	Generation   uint64 // the transaction that changed it last
	Created      uint64 // the transaction that made it
	Changed      uint64 // the last one that changed a file of it
	SentTransid  uint64 // Changed of what it was received from
	ReadOnly     bool
	Creation     time.Time
}

// Roots returns what is known of the subvolumes, and of the top level, by their IDs.
func (f FS) Roots() (map[uint64]Root, error) {
	// Places in the structure. File systems of Linux before 3.6 have the first part only.
	const (
		generation, flags, old                = 160, 208, 239
		own, parent, received                 = 247, 263, 279
		changed, created, sent, creation, end = 295, 303, 311, 339, 439
		readOnly                              = 1
	)
	le := binary.LittleEndian
	m := map[uint64]Root{}
	add := func(i Item) bool {
		if len(i.Data) < old {
			return true
		}
		r := Root{Generation: le.Uint64(i.Data[generation:]), ReadOnly: le.Uint64(i.Data[flags:])&readOnly != 0}
		if len(i.Data) >= end {
			r.UUID, r.ParentUUID, r.ReceivedUUID = UUID(i.Data[own:]), UUID(i.Data[parent:]), UUID(i.Data[received:])
			r.Changed, r.Created, r.SentTransid = le.Uint64(i.Data[changed:]), le.Uint64(i.Data[created:]), le.Uint64(i.Data[sent:])
			if sec := int64(le.Uint64(i.Data[creation:])); sec > 0 {
				r.Creation = time.Unix(sec, int64(le.Uint32(i.Data[creation+8:]))).UTC()
			}
		}
		m[i.Object] = r
		return len(m) < MaxSubvolumes
	}
	err := f.Search(rootTree, TopLevel, TopLevel, rootItem, rootItem, add)
	if err == nil {
		err = f.Search(rootTree, firstFree, lastFree, rootItem, rootItem, add)
	}
	return m, err
}
