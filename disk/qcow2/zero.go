package qcow2

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
)

// WriteZeroes zeroes n bytes from off on. Whole clusters become zero clusters, and take no
// room any more; in version 2, which has none, they become unallocated if there is no
// backing file.
func (m *Image) WriteZeroes(off, n int64) error {
	if err := m.mayChange(off, n); err != nil {
		return m.wrap("write zeroes", err)
	}
	if err := m.w.clear(off, n, zeroed); err != nil {
		return m.wrap("write zeroes", err)
	}
	return nil
}

// Discard frees the clusters that lie in n bytes from off on. They read as zeros
// afterwards, or as they did: in an image of version 2 with a backing file, which would
// show again, nothing is freed.
func (m *Image) Discard(off, n int64) error {
	if err := m.mayChange(off, n); err != nil {
		return m.wrap("discard", err)
	}
	if m.h.Version < 3 && m.backing != nil {
		return nil
	}
	if err := m.w.clear(off, n, discarded); err != nil {
		return m.wrap("discard", err)
	}
	return nil
}

// Empty makes the disk what is below the image, of which that keeps nothing: it makes it a
// [disk.Emptier].
func (m *Image) Empty() error {
	err := m.mayChange(0, 0)
	if err == nil && m.external {
		err = fmt.Errorf("an image with a data file cannot be emptied: %w", errors.ErrUnsupported)
	}
	if err == nil {
		err = m.w.clear(0, m.Size(), forgotten)
	}
	if err != nil {
		return m.wrap("empty", err)
	}
	return nil
}

// A clearing is what is to become of clusters.
type clearing uint8

const (
	discarded clearing = iota // zeros, or what they were
	zeroed
	forgotten // what is below the image
)

func (w *writer) clear(off, n int64, how clearing) error {
	h, zero := w.m.h, how == zeroed
	size := int64(h.ClusterSize)
	end := off + n
	first, last := (off+size-1)>>h.clusterBits, end>>h.clusterBits
	if end == w.m.Size() {
		last = (end + size - 1) >> h.clusterBits
	}
	// Where entries cannot say that there are zeros, they are data.
	plain := zero && h.Version < 3 && w.m.backing != nil
	if first >= last || plain {
		if zero {
			return w.writeZeros(off, end)
		}
		return nil
	}
	if zero {
		if err := w.writeZeros(off, first<<h.clusterBits); err != nil {
			return err
		}
	}
	for c := first; c < last; {
		next, err := w.clearSome(c, last, how)
		if err == nil {
			err = w.relieve()
		}
		if err != nil {
			return err
		}
		c = next
	}
	if tail := last << h.clusterBits; zero && tail < end {
		return w.writeZeros(tail, end)
	}
	return nil
}

// writeZeros writes zeros as data, where the disk does not read as zeros anyway.
func (w *writer) writeZeros(from, to int64) error {
	var zeros []byte
	for from < to {
		w.io.RLock()
		s, err := w.m.segment(from, min(to-from, 1<<20))
		known := err == nil && w.zeros(from, from+s.size)
		w.io.RUnlock()
		if err != nil {
			return err
		}
		if known {
			from += s.size
			continue
		}
		if zeros == nil {
			zeros = make([]byte, min(to-from, 1<<20))
		}
		n, err := w.writeSome(zeros[:s.size], from)
		if err == nil {
			err = w.relieve()
		}
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// clearSome clears clusters from first on, up to end, and returns how far it came.
func (w *writer) clearSome(first, end int64, how clearing) (next int64, err error) {
	defer w.ranges.lock(first, w.sliceEnd(first, end))()
	return w.clearSomeHeld(first, end, how)
}

// clearSomeHeld is clearSome for a caller that has the clusters for itself.
func (w *writer) clearSomeHeld(first, end int64, how clearing) (next int64, err error) {
	h := w.m.h
	end = w.sliceEnd(first, end)
	w.io.RLock()
	defer w.io.RUnlock()
	off := first << h.clusterBits
	slice, _, err := w.m.l2(off)
	if err != nil {
		return 0, err
	}
	if slice == nil && (how != zeroed || w.m.backing == nil || off >= w.m.backing.Size()) {
		// All that the table would be about, which is not there.
		return max(end, (off>>h.l1Shift()+1)<<h.l2Bits()), nil
	}
	old := make([]l2Entry, end-first)
	entries := make([]l2Entry, end-first)
	changed := false
	for i := range old {
		at := (first + int64(i)) << h.clusterBits
		if old[i], err = w.m.entryOf(at); err != nil {
			return 0, err
		}
		if entries[i], err = w.cleared(at, old[i], how); err != nil {
			return 0, err
		}
		changed = changed || entries[i] != old[i]
	}
	if !changed {
		return end, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return end, w.setEntries(first, old, entries)
}

// cleared returns what becomes of the entry for off.
func (w *writer) cleared(off int64, e l2Entry, how clearing) (l2Entry, error) {
	h := w.m.h
	if how == forgotten {
		return l2Entry{}, nil
	}
	zero := how == zeroed
	hole := e.entry&(entryCompressed|entryOffset|entryZero) == 0 && e.bitmap == 0
	if w.m.external {
		hole = hole && e.entry&entryCopied == 0
		if !hole && (h.RawData || e.place() == off) {
			if err := w.clearData(off); err != nil {
				return e, err
			}
			if h.RawData {
				return e, nil // still zeros when the data file is read without us
			}
		}
	}
	shows := w.m.backing != nil && off < w.m.backing.Size() // if there is no entry
	switch {
	case hole && (!zero || !shows):
		return e, nil
	case h.Version < 3 || !zero && w.m.backing == nil:
		return l2Entry{}, nil
	case h.ExtendedL2:
		return l2Entry{bitmap: (1<<subclusters - 1) << subclusters}, nil
	}
	return l2Entry{entry: entryZero}, nil
}

// clearData zeroes the cluster of a data file, which has the same place there.
func (w *writer) clearData(off int64) error {
	n := min(int64(w.m.h.ClusterSize), w.m.data.Size()-off)
	if n <= 0 {
		return nil
	}
	if z, ok := disk.As[disk.ZeroWriter](w.m.data); ok && z.WriteZeroes(off, n) == nil {
		return nil
	}
	_, err := w.m.data.WriteAt(make([]byte, n), off)
	return err
}
