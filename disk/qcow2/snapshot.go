package qcow2

import (
	"fmt"
	"io"
	"math"
)

const (
	// maxSnapshots and maxSnapshotTable bound the internal snapshots of an image: their
	// number, and the bytes that their descriptions have. They are QEMU's limits.
	maxSnapshots     = 65536
	maxSnapshotTable = 64 << 20
	maxSnapshotExtra = 1024 // bytes, of what an entry has of newer versions

	snapshotHead = 40 // bytes of an entry, before all that can be longer
)

// snapshot is an entry of the snapshot table.
type snapshot struct {
	id, name string
	sec, ns  uint32 // when it was made, since 1970
	clock    uint64 // ns of the virtual machine
	vmState  uint64 // bytes of its memory
	size     int64  // of the disk, in bytes; -1 if it does not say
	l1Offset int64
	l1Size   uint32
	extra    []byte // as it is
}

// length returns how many bytes the entry has.
func (s *snapshot) length() int64 {
	return (snapshotHead + int64(len(s.extra)+len(s.id)+len(s.name)) + 7) &^ 7
}

// readSnapshots reads the snapshot table of an image.
func readSnapshots(r io.ReaderAt, h *Header) ([]snapshot, error) {
	if h.Snapshots == 0 {
		return nil, nil
	}
	if h.Snapshots > maxSnapshots {
		return nil, damaged("%d snapshots", h.Snapshots)
	}
	if h.snapshotsOffset <= 0 || h.snapshotsOffset&int64(h.ClusterSize-1) != 0 {
		return nil, damaged("the snapshot table is at %d", h.snapshotsOffset)
	}
	var list []snapshot
	off := h.snapshotsOffset
	for i := range h.Snapshots {
		s, err := readSnapshot(r, off)
		if err == nil {
			err = s.check(h)
		}
		if err != nil {
			return nil, fmt.Errorf("read snapshot %d of %d: %w", i+1, h.Snapshots, err)
		}
		if off += s.length(); off-h.snapshotsOffset > maxSnapshotTable {
			return nil, damaged("a snapshot table of more than %d bytes", maxSnapshotTable)
		}
		list = append(list, s)
	}
	return list, nil
}

func readSnapshot(r io.ReaderAt, off int64) (s snapshot, err error) {
	head := make([]byte, snapshotHead)
	if err := readFull(r, head, off); err != nil {
		return s, err
	}
	extra := be.Uint32(head[36:])
	if extra > maxSnapshotExtra {
		return s, damaged("%d bytes of extra data", extra)
	}
	s = snapshot{
		l1Offset: int64(be.Uint64(head)),
		l1Size:   be.Uint32(head[8:]),
		sec:      be.Uint32(head[16:]),
		ns:       be.Uint32(head[20:]),
		clock:    be.Uint64(head[24:]),
		vmState:  uint64(be.Uint32(head[32:])),
		size:     -1,
	}
	id, name := int(be.Uint16(head[12:])), int(be.Uint16(head[14:]))
	b := make([]byte, int(extra)+id+name)
	if err := readFull(r, b, off+snapshotHead); err != nil {
		return s, err
	}
	s.extra, b = b[:extra:extra], b[extra:]
	s.id, s.name = string(b[:id]), string(b[id:])
	if extra >= 8 {
		s.vmState = be.Uint64(s.extra)
	}
	if extra >= 16 {
		s.size = int64(be.Uint64(s.extra[8:]))
	}
	return s, nil
}

// check reports whether the L1 table can be where it is said to be.
func (s *snapshot) check(h *Header) error {
	switch {
	case int64(s.l1Size)*8 > maxL1:
		return damaged("an L1 table of %d entries", s.l1Size)
	case s.l1Offset < 0 || s.l1Offset > entryOffset || s.l1Offset&int64(h.ClusterSize-1) != 0:
		return damaged("the L1 table is at %d", s.l1Offset)
	case s.size < -1:
		return damaged("a disk of %d bytes", uint64(s.size))
	}
	return nil
}

// tableLength returns how many bytes a snapshot table has.
func tableLength(list []snapshot) int64 {
	n := int64(0)
	for i := range list {
		n += list[i].length()
	}
	return n
}

// encodeSnapshots returns a snapshot table. What is not understood of an entry stays.
func encodeSnapshots(list []snapshot) []byte {
	var b []byte
	for i := range list {
		s := &list[i]
		b = be.AppendUint64(b, uint64(s.l1Offset))
		b = be.AppendUint32(b, s.l1Size)
		b = be.AppendUint16(b, uint16(len(s.id)))
		b = be.AppendUint16(b, uint16(len(s.name)))
		b = be.AppendUint32(b, s.sec)
		b = be.AppendUint32(b, s.ns)
		b = be.AppendUint64(b, s.clock)
		b = be.AppendUint32(b, uint32(min(s.vmState, math.MaxUint32)))
		b = be.AppendUint32(b, uint32(len(s.extra)))
		b = append(append(append(b, s.extra...), s.id...), s.name...)
		b = append(b, make([]byte, -len(b)&7)...)
	}
	return b
}
