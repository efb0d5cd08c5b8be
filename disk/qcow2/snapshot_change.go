package qcow2

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/unboot/unboot/disk"
)

// maxSnapshotName is the longest name of a snapshot that is created, in bytes. QEMU takes no
// longer ones.
const maxSnapshotName = 255

var (
	errSnapshotWrite = errors.New("a snapshot can only be read")
	errSnapshotData  = errors.New("an image with an external data file has no snapshots, as the file is always as it is now")
)

// CreateSnapshot keeps the current state of the disk. The memory of a virtual machine that may
// run is not part of it.
func (m *Image) CreateSnapshot(s disk.Snapshot) (disk.Snapshot, error) {
	var made disk.Snapshot
	err := m.turn("create snapshot", func(t *turn) error {
		entry, err := t.entry(s)
		if err != nil {
			return err
		}
		h := m.h
		entry.l1Offset, entry.l1Size = h.l1Offset, h.l1Size
		t.from = tree{h.l1Offset, h.l1Size}
		t.snapshots = append(t.snapshots, entry)
		made = m.describe([]snapshot{entry})[0]
		return nil
	})
	return made, err
}

// entry returns a new entry of the snapshot table, without an L1 table.
func (t *turn) entry(s disk.Snapshot) (snapshot, error) {
	switch {
	case s.Name == "" || len(s.Name) > maxSnapshotName || strings.ContainsRune(s.Name, 0):
		return snapshot{}, fmt.Errorf("%q is no name for a snapshot: it has 1 to %d bytes, none of them zero", s.Name, maxSnapshotName)
	case len(t.snapshots) >= maxSnapshots:
		return snapshot{}, fmt.Errorf("the image has %d snapshots, and there is no room for more", len(t.snapshots))
	}
	last := uint64(0)
	for _, other := range t.snapshots {
		if other.name == s.Name {
			return snapshot{}, fmt.Errorf("snapshot %q: %w", s.Name, fs.ErrExist)
		}
		if n, err := strconv.ParseUint(other.id, 10, 63); err == nil {
			last = max(last, n)
		}
	}
	date := s.Date
	if date.IsZero() {
		date = time.Now()
	}
	if date.Unix() < 0 || date.Unix() > math.MaxUint32 {
		return snapshot{}, fmt.Errorf("a snapshot has no room for the date %v", date)
	}
	size := t.w.m.Size()
	return snapshot{
		id: strconv.FormatUint(last+1, 10), name: s.Name,
		sec: uint32(date.Unix()), ns: uint32(date.Nanosecond()),
		size:  size,
		extra: be.AppendUint64(make([]byte, 8), uint64(size)),
	}, nil
}

// DeleteSnapshot forgets a snapshot, and frees the clusters that it alone has.
func (m *Image) DeleteSnapshot(name string) error {
	return m.turn("delete snapshot", func(t *turn) error {
		i, err := m.find(t.snapshots, name)
		if err != nil {
			return err
		}
		active, s := tree{m.h.l1Offset, m.h.l1Size}, t.snapshots[i]
		t.from, t.drop = active, []tree{active, {s.l1Offset, s.l1Size}}
		t.snapshots = slices.Delete(t.snapshots, i, i+1)
		return nil
	})
}

// ApplySnapshot makes the disk what it was in a snapshot.
func (m *Image) ApplySnapshot(name string) error {
	return m.turn("apply snapshot", func(t *turn) error {
		i, err := m.find(t.snapshots, name)
		if err != nil {
			return err
		}
		s := &t.snapshots[i]
		t.from, t.drop = tree{s.l1Offset, s.l1Size}, []tree{{m.h.l1Offset, m.h.l1Size}}
		t.size = s.sizeOr(m.Size())
		return nil
	})
}

// turn has plan say what becomes of the snapshots and the disk, and does it, while nobody else
// reads or writes.
func (m *Image) turn(op string, plan func(*turn) error) error {
	if err := m.mayChange(0, 0); err != nil {
		return m.wrap(op, err)
	}
	w := m.w
	defer w.ranges.lock(0, math.MaxInt64)()
	err := w.flush()
	if err == nil {
		// The counts of what has become free.
		err = w.flush()
	}
	if err == nil {
		w.io.Lock()
		defer w.io.Unlock()
		w.mu.Lock()
		defer w.mu.Unlock()
		t := &turn{w: w, snapshots: slices.Clone(w.snapshots), size: m.Size()}
		if m.external {
			err = errSnapshotData
		} else if err = plan(t); err == nil {
			err = t.run()
		}
	}
	if err != nil {
		return m.wrap(op, err)
	}
	return nil
}
