package qcow2

import (
	"errors"
	"io"
	"math/bits"

	"github.com/unboot/unboot/disk"
)

const (
	sectorSize = 512

	// tableSlice is how much of a table is read at a time, in bytes, if it is not
	// smaller than that.
	tableSlice = 4096

	entryOffset     = 0x00fffffffffffe00 // bits of an entry: where the cluster is
	entryZero       = 1 << 0
	entryCompressed = 1 << 62
	entryCopied     = 1 << 63

	subclusters = 32 // of a cluster, with extended L2 entries
)

// segment is a part of the disk that is stored in one way.
type segment struct {
	kind  disk.ExtentKind
	size  int64
	host  int64  // of Data: where in the file
	own   bool   // of Data: nothing else refers to it, so that it can be written to
	entry uint64 // of Compressed: the L2 entry
}

// segment says how the disk is stored at off, and how far that goes: up to n bytes,
// and maybe less than it could. The caller has checked that off and n are inside the
// disk.
func (m *Image) segment(off, n int64) (segment, error) {
	slice, at, err := m.l2(off)
	if err != nil {
		return segment{}, err
	}
	if slice == nil {
		end := (off>>m.h.l1Shift() + 1) << m.h.l1Shift()
		return segment{kind: disk.Hole, size: min(n, end-off)}, nil
	}
	size := m.h.entrySize()

	s, err := m.cluster(slice[at:], off)
	if err != nil {
		return s, err
	}
	for s.size < n {
		// In the same cluster, if that has subclusters, or in one after it.
		follows := off + s.size
		at := int64(at) + (follows>>m.h.clusterBits-off>>m.h.clusterBits)*int64(size)
		if at+int64(size) > int64(len(slice)) {
			break
		}
		next, err := m.cluster(slice[at:], follows)
		if err != nil {
			break // found again when it is its turn
		}
		if !s.join(next) {
			break
		}
	}
	s.size = min(s.size, n)
	return s, nil
}

// l2 returns the slice of the L2 table in which the entry for off is, and where in there;
// or nil if there is no table.
func (m *Image) l2(off int64) (slice []byte, at int, err error) {
	index := off >> m.h.l1Shift()
	if index >= int64(m.h.l1Size) {
		return nil, 0, nil
	}
	slice, at, err = m.tableAt(m.h.l1Offset, index*8, 8)
	if err != nil {
		return nil, 0, damagedTable("L1", off, err)
	}
	table := int64(be.Uint64(slice[at:]) & entryOffset)
	if table == 0 {
		return nil, 0, nil
	}
	if table&int64(m.h.ClusterSize-1) != 0 {
		return nil, 0, damaged("the L2 table for %d is at %d, which is not the start of a cluster", off, table)
	}
	size := m.h.entrySize()
	entry := off >> m.h.clusterBits & (1<<m.h.l2Bits() - 1)
	slice, at, err = m.tableAt(table, entry*int64(size), size)
	if err != nil {
		return nil, 0, damagedTable("L2", off, err)
	}
	return slice, at, nil
}

// l2Entry is an entry of an L2 table. Without extended L2 entries, the bitmap is 0.
type l2Entry struct{ entry, bitmap uint64 }

// entryOf returns the L2 entry for off, which is 0 if there is no table.
func (m *Image) entryOf(off int64) (e l2Entry, err error) {
	slice, at, err := m.l2(off)
	if slice == nil || err != nil {
		return e, err
	}
	e.entry = be.Uint64(slice[at:])
	if m.h.ExtendedL2 {
		e.bitmap = be.Uint64(slice[at+8:])
	}
	return e, nil
}

// owned reports whether the cluster of an entry has a place, which is no other's too.
func (m *Image) owned(e l2Entry) bool {
	if e.entry&entryCompressed != 0 {
		return false
	}
	copied := e.entry&entryCopied != 0
	if m.external {
		return copied || e.place() != 0
	}
	return copied && e.place() != 0
}

// place returns where the cluster of an entry is that has one which is not compressed.
func (e l2Entry) place() int64 {
	if e.entry&entryCompressed != 0 {
		return 0
	}
	return int64(e.entry & entryOffset)
}

// join adds what follows if it is stored in the same way.
func (s *segment) join(next segment) bool {
	if s.kind != next.kind || s.kind == disk.Compressed || s.kind == disk.Data && (s.host+s.size != next.host || s.own != next.own) {
		return false
	}
	s.size += next.size
	return true
}

// tableAt returns the part of a table in which an entry is, and where in there: the
// entry of width bytes at byteOff. Tables begin with a cluster, so that no part is in
// two clusters.
func (m *Image) tableAt(table, byteOff int64, width int) ([]byte, int, error) {
	size := int64(min(tableSlice, m.h.ClusterSize))
	start := table + byteOff&^(size-1)
	slice, err := m.caches.tables.get(cacheKey{m, uint64(start)}, int(size), func() ([]byte, error) {
		b := make([]byte, size)
		n, err := m.file.ReadAt(b, start)
		if n < len(b) && err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		return b[:n], nil
	})
	if err != nil {
		return nil, 0, err
	}
	at := int(byteOff & (size - 1))
	if at+width > len(slice) {
		return nil, 0, io.ErrUnexpectedEOF
	}
	return slice, at, nil
}

func damagedTable(level string, off int64, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return damaged("the %s table for %d lies past the end of the file", level, off)
	}
	return err
}

// cluster decodes the L2 entry at the start of b, and says how the disk is stored from off to, at most,
// the end of that cluster.
func (m *Image) cluster(b []byte, off int64) (segment, error) {
	entry := be.Uint64(b)
	in := off & int64(m.h.ClusterSize-1)
	s := segment{size: int64(m.h.ClusterSize) - in}
	if entry&entryCompressed != 0 {
		if m.h.ExternalData {
			return s, damaged("a compressed cluster at %d, in an image with an external data file", off)
		}
		s.kind, s.entry = disk.Compressed, entry
		return s, nil
	}
	host := int64(entry & entryOffset)
	if host&int64(m.h.ClusterSize-1) != 0 {
		return s, damaged("the cluster for %d is at %d, which is not the start of one", off, host)
	}
	// Only in a file of its own can data begin at 0, where the header is else.
	allocated := host != 0 || m.h.ExternalData && entry&entryCopied != 0
	s.host, s.own = host+in, entry&entryCopied != 0 || m.h.ExternalData
	if m.h.ExtendedL2 {
		return s, m.subclusters(&s, be.Uint64(b[8:]), off, allocated)
	}
	switch {
	case entry&entryZero != 0:
		if m.h.Version < 3 {
			return s, damaged("a zero cluster at %d, in an image of version 2", off)
		}
		s.kind = disk.Zero
	case allocated:
		s.kind = disk.Data
	default:
		s.kind = disk.Hole
	}
	return s, nil
}

// subclusters narrows a segment to those subclusters from off on that are stored in
// the same way. Of the bitmap, the lower half says which ones are in the cluster, the
// upper which ones are zero.
func (m *Image) subclusters(s *segment, bitmap uint64, off int64, allocated bool) error {
	data, zero := uint32(bitmap), uint32(bitmap>>32)
	if data&zero != 0 {
		return damaged("a subcluster of the cluster for %d is said to be both data and zeros", off)
	}
	if data != 0 && !allocated {
		return damaged("the cluster for %d has subclusters but no place", off)
	}
	shift := m.h.clusterBits - 5
	first := int(off >> shift & (subclusters - 1))
	var same uint32 // which ones are as the first
	switch bit := uint32(1) << first; {
	case data&bit != 0:
		s.kind, same = disk.Data, data
	case zero&bit != 0:
		s.kind, same = disk.Zero, zero
	default:
		s.kind, same = disk.Hole, ^(data | zero)
	}
	n := bits.TrailingZeros32(^(same >> first)) // up to 32, as the shift brings in zeros
	n = min(n, subclusters-first)
	s.size = int64(n)<<shift - off&(1<<shift-1)
	return nil
}
