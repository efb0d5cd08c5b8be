package qcow2

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/unboot/unboot/disk"
)

// writer is what an image has that is open for writing.
type writer struct {
	m *Image

	// io is held for reading by whoever uses the place of a cluster, from the look at
	// its entry to the end of reading or writing, and for writing when clusters become
	// free or tables move. It comes before mu.
	io sync.RWMutex
	// ranges are clusters of the disk whose entries are going to change. They come
	// before io.
	ranges ranges
	guard  guard
	begun  atomic.Bool // the header says that the image was written to

	mu        sync.Mutex // guards what follows, and all tables in the cache
	dirty     map[int64]dirtySlice
	newTables map[int64]bool // L2 tables that no L1 entry refers to on the disk
	pending   []freed        // free as soon as the dirty slices are written
	unused    []freed        // free when nobody reads them any more
	snapshots []snapshot
	hint      int64 // no cluster of the file before this one is free
	packed    int64 // the end of what was compressed last, or 0 if nothing may follow
	used      int64 // the file has never been written to from here on, in bytes
	failed    error // why nothing is written any more
}

// checkWrite returns an error for an image that must not be written to.
func (h *Header) checkWrite(size int64) error {
	switch {
	case h.Corrupt:
		return fmt.Errorf("%w: it is marked as corrupt; try unboot check --repair, or qemu-img check -r all, on a copy", ErrDamaged)
	case h.refcountOrder > 6:
		return damaged("reference counts of 2^%d bits", h.refcountOrder)
	case h.refTable <= 0 || h.refTable&int64(h.ClusterSize-1) != 0:
		return damaged("the refcount table is at %d", h.refTable)
	case h.refClusters == 0 || int64(h.refClusters)<<h.clusterBits > maxRefTable:
		return damaged("a refcount table of %d clusters", h.refClusters)
	case h.refTable > size-int64(h.refClusters)<<h.clusterBits:
		return damaged("the refcount table at %d lies past the end of the file", h.refTable)
	case h.l1Offset == 0 && h.l1Size != 0:
		return damaged("the L1 table is at 0")
	}
	return nil
}

// openWriter makes the image one that can be written to.
func (m *Image) openWriter() error {
	if m.external && !disk.Writable(m.data) {
		return errors.New("the data file is not open for writing")
	}
	if m.h.Dirty && !m.h.Corrupt {
		if err := m.rebuild(); err != nil {
			return fmt.Errorf("repair the reference counts, as the image was not closed properly: %w", err)
		}
	}
	if err := m.h.checkWrite(m.file.Size()); err != nil {
		return err
	}
	w := &writer{m: m, dirty: map[int64]dirtySlice{}, newTables: map[int64]bool{}}
	w.ranges.init()
	var err error
	if w.snapshots, err = readSnapshots(m.file, m.h); err != nil {
		return err
	}
	size := int64(m.h.ClusterSize)
	w.used = (m.file.Size() + size - 1) &^ (size - 1)
	if err := w.loadGuard(); err != nil {
		return err
	}
	m.w = w
	return nil
}

// begin is called before anything is changed. It takes back what the header says that is
// not true of an image that was changed by somebody who does not know of it: that
// bitmaps are up to date, for example.
func (w *writer) begin() error {
	if w.begun.Load() {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		return w.failed
	}
	keep := uint64(0)
	if w.m.h.RawData {
		keep = autoclearRawData
	}
	if h := w.m.h; h.autoclear&^keep != 0 {
		h.autoclear &= keep
		if err := w.writeFeatures(); err != nil {
			return err
		}
	}
	w.begun.Store(true)
	return nil
}

// corrupt marks the image as corrupt, and has nothing written any more. It returns why.
func (w *writer) corrupt(err error) error {
	if w.m.h.Version >= 3 {
		w.m.h.incompatible |= featureCorrupt
		err = errors.Join(err, w.writeFeatures())
	}
	w.failed = err
	return err
}

// setDirty says in the header, or does not say any more, that reference counts may be
// wrong. Version 2 has no place for that.
func (w *writer) setDirty(dirty bool) error {
	h := w.m.h
	if h.Version < 3 {
		return nil
	}
	h.incompatible &^= featureDirty
	if dirty {
		h.incompatible |= featureDirty
	}
	h.Dirty = dirty
	return w.writeFeatures()
}

// writeFeatures writes the feature bits, and makes them stable.
func (w *writer) writeFeatures() error {
	b := make([]byte, 24)
	if err := readFull(w.m.file, b, 72); err != nil {
		return err
	}
	be.PutUint64(b, w.m.h.incompatible)
	be.PutUint64(b[16:], w.m.h.autoclear)
	return w.writeHeader(b, 72)
}

// writeRefTableHeader writes where the refcount table is.
func (w *writer) writeRefTableHeader() error {
	b := make([]byte, 12)
	be.PutUint64(b, uint64(w.m.h.refTable))
	be.PutUint32(b[8:], w.m.h.refClusters)
	return w.writeHeader(b, 48)
}

// writeSizeHeader writes the size of the disk, and where the L1 table and the snapshot table
// are.
func (w *writer) writeSizeHeader() error {
	b := make([]byte, 48)
	if err := readFull(w.m.file, b, 24); err != nil {
		return err
	}
	be.PutUint64(b, uint64(w.m.h.Size))
	be.PutUint32(b[12:], w.m.h.l1Size)
	be.PutUint64(b[16:], uint64(w.m.h.l1Offset))
	be.PutUint32(b[36:], uint32(w.m.h.Snapshots))
	be.PutUint64(b[40:], uint64(w.m.h.snapshotsOffset))
	return w.writeHeader(b, 24)
}

// writeHeader writes a part of the header, which lies in one sector so that it is written
// as a whole or not at all, and makes it stable.
func (w *writer) writeHeader(b []byte, off int64) error {
	if _, err := w.m.file.WriteAt(b, off); err != nil {
		return fmt.Errorf("write the header: %w", err)
	}
	if err := w.sync(); err != nil {
		return fmt.Errorf("write the header: %w", err)
	}
	return nil
}
