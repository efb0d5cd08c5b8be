package qcow2

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/unboot/unboot/disk"
)

// stage says when a slice of a table is written: between two stages, what was written
// is made stable. See the documentation of the package.
type stage uint8

const (
	// stageCounts are refcount blocks, and new L2 tables that no L1 entry refers to on
	// the disk.
	stageCounts stage = iota
	// stageBlocks is the refcount table.
	stageBlocks
	// stageTables are L1 and L2 tables.
	stageTables
)

const (
	// maxDirty is how many slices of tables wait for being written: 4 MiB.
	maxDirty = 1024
	// maxPending is how many parts of the file wait for being free.
	maxPending = 4096
)

// dirtySlice is a slice of a table that has not been written yet.
type dirtySlice struct {
	data  []byte
	stage stage
}

// change has do change an entry of width bytes in a copy of the slice in which it is,
// which is what is read from now on. What do gets goes on up to the end of the slice.
func (w *writer) change(table, byteOff int64, width int, s stage, do func(b []byte)) error {
	slice, at, err := w.m.tableAt(table, byteOff, width)
	if err != nil {
		return err
	}
	b := slices.Clone(slice)
	do(b[at:])
	w.put(table+byteOff-int64(at), b, s)
	return nil
}

// put has a slice written by the next commit.
func (w *writer) put(off int64, b []byte, s stage) {
	w.m.caches.tables.pin(cacheKey{w.m, uint64(off)}, b)
	w.dirty[off] = dirtySlice{b, s}
}

// readTable reads a part of a table that is not in the cache.
func (w *writer) readTable(off int64, b []byte) error { return readFull(w.m.file, b, off) }

// writeTable writes at once a table that nothing refers to yet.
func (w *writer) writeTable(off int64, b []byte) error {
	for at := off; at < off+int64(len(b)); at += int64(w.m.h.ClusterSize) {
		w.forget(at)
	}
	_, err := w.m.file.WriteAt(b, off)
	return err
}

// commit writes what is dirty, in the order that leaves a whole image wherever it is cut
// off, and makes it stable. The caller holds mu.
func (w *writer) commit() error {
	if w.failed != nil {
		return w.failed
	}
	if len(w.dirty) > 0 {
		if err := w.writeDirty(); err != nil {
			return err
		}
	}
	clear(w.newTables)
	w.unused = append(w.unused, w.pending...)
	w.pending = nil
	return nil
}

func (w *writer) writeDirty() error {
	var stages [stageTables + 1][]int64
	for _, off := range slices.Sorted(maps.Keys(w.dirty)) {
		s := w.dirty[off].stage
		stages[s] = append(stages[s], off)
	}
	for s, offs := range stages {
		if len(offs) == 0 {
			continue
		}
		if s != int(stageCounts) {
			if err := w.sync(); err != nil {
				return err
			}
		}
		for _, off := range offs {
			if _, err := w.m.file.WriteAt(w.dirty[off].data, off); err != nil {
				return fmt.Errorf("write a table: %w", err)
			}
		}
	}
	if err := w.sync(); err != nil {
		return err
	}
	for off := range w.dirty {
		w.m.caches.tables.unpin(cacheKey{w.m, uint64(off)})
	}
	clear(w.dirty)
	return nil
}

// sync makes stable what has been written. When that fails, the host may have dropped it,
// and would say that all is well if it were asked again: nothing is written any more.
func (w *writer) sync() error {
	err := w.m.file.Flush()
	if w.m.external {
		err = errors.Join(w.m.data.Flush(), err)
	}
	if err != nil {
		w.failed = fmt.Errorf("the image cannot be written to any more: %w", err)
	}
	return err
}

// Flush makes stable what has been written.
func (m *Image) Flush() error {
	if m.w == nil {
		return nil
	}
	if err := m.w.flush(); err != nil {
		return m.wrap("flush", err)
	}
	return nil
}

func (w *writer) flush() error {
	w.mu.Lock()
	dirty := len(w.dirty) > 0
	err := w.failed
	if err == nil && (dirty || len(w.pending) > 0) {
		err = w.commit()
	}
	w.mu.Unlock()
	if err == nil && !dirty {
		// Others may go on meanwhile.
		err = w.m.data.Flush()
		if err == nil && w.m.external {
			err = w.m.file.Flush()
		}
		if err != nil {
			w.mu.Lock()
			w.failed = fmt.Errorf("the image cannot be written to any more: %w", err)
			w.mu.Unlock()
		}
	}
	if err == nil {
		w.reuse()
	}
	return err
}

// relieve writes tables when there are many of them.
func (w *writer) relieve() error {
	w.mu.Lock()
	var err error
	if len(w.dirty) > maxDirty || len(w.pending) > maxPending {
		err = w.commit()
	}
	unused := len(w.unused)
	w.mu.Unlock()
	if unused > 0 {
		w.reuse()
	}
	return err
}

// close writes everything.
func (w *writer) close() error {
	err := w.flush()
	if err == nil {
		// The counts of what has become free.
		err = w.flush()
	}
	if err != nil {
		return w.m.wrap("close", err)
	}
	return nil
}

// StartWriting has the host begin to write what it caches of the file, see
// [disk.WritebackStarter].
func (m *Image) StartWriting() { disk.StartWriting(m.data) }
