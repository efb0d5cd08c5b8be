package lvm

import "fmt"

// origin maps a volume that has snapshots of the older kind: the kernel saves there what
// is about to change.
func (b *builder) origin(lv *LV) error {
	real, err := b.on(lv, "real")
	if err != nil {
		return err
	}
	for _, s := range lv.Snapshots {
		if !s.Merging {
			continue
		}
		store, err := b.on(s.Store, "cow")
		if err != nil {
			return err
		}
		b.line(0, lv.Size, "snapshot-merge", s.params(), real, store)
		return nil
	}
	b.line(0, lv.Size, "snapshot-origin", "@", real)
	return nil
}

// snapshot maps a snapshot of the older kind: what has changed in the origin since is in
// the store. One that is being merged can only be read as the origin.
func (b *builder) snapshot(s *Snapshot) error {
	b.v.Size = s.extents * b.p.vg.ExtentSize
	if s.Merging {
		b.line(0, b.v.Size, "error", "")
		return nil
	}
	real, err := b.on(s.Origin, "real")
	if err != nil {
		return err
	}
	store, err := b.on(s.Store, "cow")
	if err != nil {
		return err
	}
	b.line(0, b.v.Size, "snapshot", s.params(), real, store)
	return nil
}

// params are those of a store that lasts.
func (s *Snapshot) params() string { return fmt.Sprintf("@ @ P %d", s.ChunkSize/sector) }
