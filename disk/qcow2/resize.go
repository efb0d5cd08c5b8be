package qcow2

import (
	"errors"
	"fmt"
	"math"

	"github.com/unboot/unboot/disk"
)

var (
	errShrinkSnapshots = errors.New("the disk cannot become smaller, as it has internal snapshots; delete them first")
	errGrowSnapshots   = errors.New("the disk cannot change its size, as its internal snapshots do not say theirs; delete them first")
)

// Resize changes the size of the disk, which is a multiple of 512 bytes. What it grows by
// reads as zeros, whatever the backing file has there. What is cut off is lost. A disk with
// internal snapshots does not become smaller.
func (m *Image) Resize(size int64) error {
	err := m.mayChange(0, 0)
	if err == nil && (size < disk.MinSize || size%sectorSize != 0) {
		err = fmt.Errorf("a disk of %d bytes", size)
	}
	if err == nil {
		// Nobody else changes anything meanwhile.
		unlock := m.w.ranges.lock(0, math.MaxInt64)
		err = m.w.resize(size)
		unlock()
	}
	if err != nil {
		return m.wrap("resize", err)
	}
	return nil
}

func (w *writer) resize(size int64) error {
	w.mu.Lock()
	snapshots := w.snapshots
	w.mu.Unlock()
	for _, s := range snapshots {
		if s.size < 0 {
			return errGrowSnapshots
		}
	}
	old := w.m.Size()
	switch {
	case size < old && len(snapshots) > 0:
		return errShrinkSnapshots
	case size < old:
		return w.shrink(old, size)
	case size > old:
		return w.grow(old, size)
	}
	return nil
}

// grow makes the L1 table longer first, zeroes what would show, and then says in the header
// that the disk is larger.
func (w *writer) grow(old, size int64) error {
	h := w.m.h
	if err := w.growL1(size); err != nil {
		return err
	}
	if r, ok := disk.As[disk.Resizer](w.m.data); w.m.external && ok && size > w.m.data.Size() {
		if err := r.Resize(size); err != nil {
			return err
		}
	}
	cluster := int64(h.ClusterSize)
	end := min((old+cluster-1)&^(cluster-1), size)
	if err := w.showZeros(old, end); err != nil {
		return err
	}
	if w.m.backing != nil {
		if err := w.showZeros(end, min(size, w.m.backing.Size())); err != nil {
			return err
		}
	}
	w.io.Lock()
	defer w.io.Unlock()
	return w.setSize(size)
}

// showZeros zeroes a part behind the end of the disk. The caller has all ranges.
func (w *writer) showZeros(from, to int64) error {
	size := int64(w.m.h.ClusterSize)
	for from < to {
		var next int64
		err := error(nil)
		if from&(size-1) == 0 && w.m.h.Version >= 3 {
			var c int64
			c, err = w.clearSomeHeld(from>>w.m.h.clusterBits, (to+size-1)>>w.m.h.clusterBits, zeroed)
			next = c << w.m.h.clusterBits
		} else {
			next, err = w.zeroSome(from, min(to, from&^(size-1)+size))
		}
		if err == nil {
			err = w.relieve()
		}
		if err != nil {
			return err
		}
		from = next
	}
	return nil
}

// zeroSome writes zeros to a part of one cluster, if it does not read as zeros.
func (w *writer) zeroSome(from, to int64) (int64, error) {
	w.io.RLock()
	defer w.io.RUnlock()
	for from < to {
		if w.zeros(from, to) {
			return to, nil
		}
		b := make([]byte, to-from)
		n, err := w.writeInPlace(b, from)
		if n == 0 && err == nil {
			n, err = w.writeNew(b, from)
		}
		if err != nil {
			return 0, err
		}
		from += int64(n)
	}
	return to, nil
}

// growL1 moves the L1 table to where it has room for a disk of size bytes.
func (w *writer) growL1(size int64) error {
	h := w.m.h
	need := (size-1)>>h.l1Shift() + 1
	if need <= int64(h.l1Size) {
		return nil
	}
	if need*8 > maxL1 {
		return fmt.Errorf("a disk of %d bytes is too large for clusters of %d bytes", size, h.ClusterSize)
	}
	w.io.Lock()
	defer w.io.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.commit(); err != nil {
		return err
	}
	b := make([]byte, (need*8+int64(h.ClusterSize)-1)&^(int64(h.ClusterSize)-1))
	if err := w.readTable(h.l1Offset, b[:int64(h.l1Size)*8]); err != nil {
		return fmt.Errorf("read the L1 table: %w", err)
	}
	clusters := int64(len(b)) >> h.clusterBits
	off, err := w.allocRow(clusters)
	if err != nil {
		return err
	}
	if err := w.writeTable(off, b); err != nil {
		w.giveBack(off, clusters)
		return fmt.Errorf("write the L1 table: %w", err)
	}
	// The counts of the new table's clusters, before the header refers to it.
	if err := w.commit(); err != nil {
		return err
	}
	old, oldSize := h.l1Offset, h.l1Size
	h.l1Offset, h.l1Size = off, uint32(need)
	if err := w.writeSizeHeader(); err != nil {
		h.l1Offset, h.l1Size = old, oldSize
		return err
	}
	w.guard.fixed(h, w.snapshots)
	if oldSize > 0 {
		w.unused = append(w.unused, freed{off: old, n: int64(oldSize) * 8})
	}
	return nil
}

// setSize says in the header how large the disk is. The caller holds io.
func (w *writer) setSize(size int64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.commit(); err != nil {
		return err
	}
	old := w.m.h.Size
	w.m.h.Size = size
	if err := w.writeSizeHeader(); err != nil {
		w.m.h.Size = old
		return err
	}
	w.m.size.Store(size)
	return nil
}

// shrink says in the header that the disk is smaller, and then frees what is behind its end.
func (w *writer) shrink(old, size int64) error {
	w.io.Lock()
	err := w.setSize(size)
	w.io.Unlock()
	if err != nil {
		return err
	}
	if r, ok := disk.As[disk.Resizer](w.m.data); w.m.external && ok {
		return r.Resize(size)
	}
	bits := w.m.h.clusterBits
	end := (old-1)>>bits + 1
	for c := (size-1)>>bits + 1; c < end; {
		next, err := w.clearSomeHeld(c, end, discarded)
		if err == nil {
			err = w.relieve()
		}
		if err != nil {
			return err
		}
		c = next
	}
	return nil
}
