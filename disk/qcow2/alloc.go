package qcow2

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/disk"
)

// maxRefTable is the largest refcount table, in bytes. It is QEMU's limit.
const maxRefTable = 8 << 20

// freed is a part of the file that a table does not refer to any more.
type freed struct {
	off, n     int64 // bytes; it lies in one cluster, or is whole clusters
	compressed bool
}

// alloc finds n clusters of the file, or fewer, that are in a row and free, and counts a
// reference to each. It returns where they are. The caller holds mu.
func (w *writer) alloc(n int64) (off, got int64, err error) {
	if w.failed != nil {
		return 0, 0, w.failed
	}
	first, got, err := w.findFree(n)
	if err != nil {
		return 0, 0, err
	}
	if err := w.take(first, got); err != nil {
		return 0, 0, err
	}
	return first << w.m.h.clusterBits, got, nil
}

// allocRow is alloc of all n clusters.
func (w *writer) allocRow(n int64) (off int64, err error) {
	if w.failed != nil {
		return 0, w.failed
	}
	hint := w.hint
	defer func() { w.hint = min(hint, w.hint) }()
	for {
		first, got, err := w.findFree(n)
		if err != nil {
			return 0, err
		}
		// A row may go on in the next refcount block.
		for got < n {
			w.hint = first + got
			more, len, err := w.findFree(n - got)
			if err != nil {
				return 0, err
			}
			if more != first+got {
				break
			}
			got += len
		}
		if got == n {
			return first << w.m.h.clusterBits, w.take(first, n)
		}
	}
}

// findFree returns the first free clusters from the hint on, up to n in a row. Their
// refcount block is there when it returns.
func (w *writer) findFree(n int64) (first, got int64, err error) {
	for {
		c, start, _, err := w.countsOf(w.hint)
		if err != nil {
			return 0, 0, err
		}
		if c.b == nil {
			if err := w.addBlock(w.hint / w.m.h.perBlock()); err != nil {
				return 0, 0, err
			}
			continue
		}
		i, all := int(w.hint-start), c.len()
		for i < all && c.get(i) != 0 {
			i++
		}
		w.hint = start + int64(i)
		for i < all && got < n && c.get(i) == 0 {
			i++
			got++
		}
		if got > 0 {
			return w.hint, got, nil
		}
	}
}

// take counts a first reference to clusters that are free.
func (w *writer) take(first, n int64) error {
	off := first << w.m.h.clusterBits
	if off < 0 || off+n<<w.m.h.clusterBits > entryOffset {
		return errors.New("the image has no more room")
	}
	if what := w.guard.overlap(off, n<<w.m.h.clusterBits); what != "" {
		return w.corrupt(damaged("the %s at %d has no reference count", what, off))
	}
	for i := range n {
		if err := w.setCount(first+i, 1); err != nil {
			return err
		}
	}
	w.hint = first + n
	w.used = max(w.used, off+n<<w.m.h.clusterBits)
	return nil
}

// giveBack frees at once clusters that no table has ever referred to.
func (w *writer) giveBack(off, n int64) {
	for i := range n {
		// What fails is a leak.
		w.unref(off>>w.m.h.clusterBits + i)
	}
}

// unref counts one reference less to a cluster, and reports whether it is free now.
func (w *writer) unref(cluster int64) (bool, error) {
	n, err := w.count(cluster)
	if err != nil || n == 0 {
		return false, err
	}
	if err := w.setCount(cluster, n-1); err != nil || n > 1 {
		return false, err
	}
	w.hint = min(w.hint, cluster)
	return true, nil
}

// ref counts one more reference to a cluster.
func (w *writer) ref(cluster int64) error {
	n, err := w.count(cluster)
	if err != nil {
		return err
	}
	if n >= w.m.h.maxCount() {
		return fmt.Errorf("cluster %d has %d references, and the image counts no further", cluster, n)
	}
	return w.setCount(cluster, n+1)
}

// free notes a part of the file that a table, as it is in the cache, does not refer to
// any more. It may be used for something else when the table has been written.
func (w *writer) free(off, n int64, compressed bool) {
	if l := len(w.pending); l > 0 && !compressed && !w.pending[l-1].compressed && w.pending[l-1].off+w.pending[l-1].n == off {
		w.pending[l-1].n += n
		return
	}
	w.pending = append(w.pending, freed{off, n, compressed})
}

// reuse makes free what tables on the disk do not refer to any more.
func (w *writer) reuse() {
	w.mu.Lock()
	none := len(w.unused) == 0
	w.mu.Unlock()
	if none {
		return
	}
	// Nobody may be about to use an entry that was there before.
	w.io.Lock()
	defer w.io.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	size := int64(w.m.h.ClusterSize)
	compressed := false
	for _, f := range w.unused {
		compressed = compressed || f.compressed
		start := f.off &^ (size - 1)
		hole := start // from here on all is free
		for at := start; at < f.off+f.n; at += size {
			free, err := w.unref(at >> w.m.h.clusterBits)
			if free && err == nil {
				w.forget(at)
				continue
			}
			w.punch(hole, at)
			hole = at + size
		}
		w.punch(hole, (f.off+f.n+size-1)&^(size-1))
	}
	w.unused = nil
	if compressed {
		// What is stored at the same place later is something else.
		w.m.caches.clusters.drop(w.m)
	}
}

// punch gives room back to the host, if it can take it.
func (w *writer) punch(from, to int64) {
	to = min(to, w.m.file.Size())
	if d, ok := disk.As[disk.Discarder](w.m.file); ok && from < to {
		d.Discard(from, to-from)
	}
}

// forget drops what the cache has of a cluster.
func (w *writer) forget(off int64) {
	w.guard.remove(off)
	size := int64(min(tableSlice, w.m.h.ClusterSize))
	for at := off; at < off+int64(w.m.h.ClusterSize); at += size {
		delete(w.dirty, at)
		w.m.caches.tables.forget(cacheKey{w.m, uint64(at)})
	}
}
