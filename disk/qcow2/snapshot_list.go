package qcow2

import (
	"fmt"
	"time"

	"github.com/unboot/unboot/disk"
)

// Snapshots returns the internal snapshots of the image: with what changes them, it makes it a
// [disk.Snapshotter].
func (m *Image) Snapshots() ([]disk.Snapshot, error) {
	list, err := m.snapshots()
	if err != nil {
		return nil, m.wrap("read", err)
	}
	return m.describe(list), nil
}

// snapshots returns the entries of the snapshot table.
func (m *Image) snapshots() ([]snapshot, error) {
	if m.w == nil {
		return readSnapshots(m.file, m.h)
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	return m.w.snapshots, nil
}

// describe says in the terms of package disk what snapshots are.
func (m *Image) describe(list []snapshot) []disk.Snapshot {
	out := make([]disk.Snapshot, len(list))
	for i := range list {
		s := &list[i]
		out[i] = disk.Snapshot{
			ID: s.id, Name: s.name,
			Date: time.Unix(int64(s.sec), int64(s.ns)), VMClock: time.Duration(s.clock),
			Size: s.sizeOr(m.Size()), VMStateSize: int64(s.vmState),
		}
	}
	return out
}

// sizeOr returns the size of the disk as it was then. Old snapshots do not say it: then it is
// the one that the disk has now.
func (s *snapshot) sizeOr(now int64) int64 {
	if s.size < 0 {
		return now
	}
	return s.size / sectorSize * sectorSize
}

// find returns the index of the snapshot of a name or ID.
func (m *Image) find(list []snapshot, name string) (int, error) {
	return disk.FindSnapshot(m.describe(list), name)
}

// openSnapshot makes the image what it was in a snapshot.
func (m *Image) openSnapshot(o Options) error {
	if o.Writable {
		return errSnapshotWrite
	}
	list, err := readSnapshots(m.file, m.h)
	if err != nil {
		return err
	}
	m.size.Store(m.h.Size)
	i, err := m.find(list, o.Snapshot)
	if err != nil {
		return err
	}
	if m.h.ExternalData {
		return fmt.Errorf("snapshot %q: %w", o.Snapshot, errSnapshotData)
	}
	h := *m.h
	h.l1Offset, h.l1Size, h.Size = list[i].l1Offset, list[i].l1Size, list[i].sizeOr(h.Size)
	m.h = &h
	return nil
}
