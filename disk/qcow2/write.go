package qcow2

import (
	"errors"
	"syscall"

	"github.com/unboot/unboot/disk"
)

// errPastEnd is returned for what is not inside the disk.
var errPastEnd = errors.New("outside of the disk")

// WriteAt writes to the disk, as io.WriterAt, but not past its end. Several goroutines may
// write at a time.
func (m *Image) WriteAt(p []byte, off int64) (int, error) {
	if err := m.mayChange(off, int64(len(p))); err != nil {
		return 0, m.wrap("write", err)
	}
	done := 0
	for done < len(p) {
		n, err := m.w.writeSome(p[done:], off+int64(done))
		done += n
		if err == nil {
			err = m.w.relieve()
		}
		if err != nil {
			return done, m.wrap("write", err)
		}
	}
	return done, nil
}

// mayChange reports whether a part of the disk may be changed, and says so in the header.
func (m *Image) mayChange(off, n int64) error {
	if m.w == nil {
		return syscall.EROFS
	}
	if err := m.locked(); err != nil {
		return err
	}
	if size := m.Size(); off < 0 || n < 0 || off > size || n > size-off {
		return errPastEnd
	}
	return m.w.begin()
}

// writeSome writes where data is already, or makes room for it, as far as the disk is
// stored in one way.
func (w *writer) writeSome(p []byte, off int64) (int, error) {
	w.io.RLock()
	n, err := w.writeInPlace(p, off)
	w.io.RUnlock()
	if n != 0 || err != nil {
		return n, err
	}
	first := off >> w.m.h.clusterBits
	end := w.sliceEnd(first, (off+int64(len(p))-1)>>w.m.h.clusterBits+1)
	p = p[:min(int64(len(p)), end<<w.m.h.clusterBits-off)]
	defer w.ranges.lock(first, end)()
	w.io.RLock()
	defer w.io.RUnlock()
	// Another one may have made room meanwhile.
	if n, err := w.writeInPlace(p, off); n != 0 || err != nil {
		return n, err
	}
	return w.writeNew(p, off)
}

// sliceEnd returns the end of the clusters from first on, up to end, the entries of which
// lie in one slice of an L2 table.
func (w *writer) sliceEnd(first, end int64) int64 {
	n := int64(min(tableSlice, w.m.h.ClusterSize) / w.m.h.entrySize())
	return min(end, (first/n+1)*n)
}

// writeInPlace writes to clusters that nothing else refers to, from off on. It returns 0
// if there are none. The caller holds io.
func (w *writer) writeInPlace(p []byte, off int64) (int, error) {
	s, err := w.m.segment(off, int64(len(p)))
	if err != nil || s.kind != disk.Data || !s.own {
		return 0, err
	}
	if err := w.checkPlace(s.host, s.size); err != nil {
		return 0, err
	}
	return w.m.writeData(p[:s.size], off, s.host)
}

// checkPlace returns an error for clusters that an entry says to be data, but which cannot.
func (w *writer) checkPlace(host, n int64) error {
	last := (host + n - 1) &^ int64(w.m.h.ClusterSize-1)
	size := w.m.data.Size()
	if w.m.external {
		size = max(size, w.m.Size())
	}
	if last >= size {
		return damaged("the cluster at %d lies past the end of the file, which has %d bytes (was it truncated?)", last, size)
	}
	if w.m.external {
		return nil
	}
	if what := w.guard.overlap(host, n); what != "" {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.corrupt(damaged("the cluster at %d is said to be data, but is the %s", host, what))
	}
	return nil
}

// room is a row of clusters of the disk, and a place in the file for them.
type room struct {
	first int64 // cluster of the disk
	old   []l2Entry
	host  int64 // bytes
	had   bool  // the first one had the place already
	fresh bool  // the file reads as zeros there
}

// writeNew makes room for clusters from off on, and writes them with all that is around
// the data. The caller holds io, and the clusters.
func (w *writer) writeNew(p []byte, off int64) (int, error) {
	h := w.m.h
	r := room{first: off >> h.clusterBits}
	end := (off+int64(len(p))-1)>>h.clusterBits + 1
	for c := r.first; c < end; c++ {
		e, err := w.m.entryOf(c << h.clusterBits)
		if err != nil {
			return 0, err
		}
		own := w.m.owned(e)
		if own && c > r.first {
			break
		}
		r.old = append(r.old, e)
		if own {
			r.host, r.had = e.place(), true
			if err := w.checkPlace(r.host, 1); err != nil {
				return 0, err
			}
			break
		}
	}
	if err := w.makeRoom(&r); err != nil {
		return 0, err
	}
	p = p[:min(int64(len(p)), (r.first+int64(len(r.old)))<<h.clusterBits-off)]
	from, to, err := w.fillRoom(&r, p, off)
	if err == nil {
		w.mu.Lock()
		err = w.linkRoom(&r, from, to)
		w.mu.Unlock()
	}
	if err != nil {
		w.leaveRoom(&r)
		return 0, err
	}
	return len(p), nil
}

// makeRoom finds a place for the clusters of a row, or for the first ones of them.
func (w *writer) makeRoom(r *room) error {
	switch {
	case r.had:
		return nil
	case w.m.external:
		// As in QEMU, whether the data file is a raw image or not.
		r.host = r.first << w.m.h.clusterBits
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	used := w.used
	host, got, err := w.alloc(int64(len(r.old)))
	if err != nil {
		return err
	}
	r.host, r.old, r.fresh = host, r.old[:got], host >= used
	return nil
}

// leaveRoom gives back the place of a row that nothing refers to.
func (w *writer) leaveRoom(r *room) {
	if !r.had && !w.m.external {
		w.mu.Lock()
		w.giveBack(r.host, int64(len(r.old)))
		w.mu.Unlock()
	}
}

// copies reports whether all of a cluster must be in its new place, as it is in another
// one now.
func (w *writer) copies(r *room, e l2Entry) bool {
	if !w.m.h.ExtendedL2 || e.entry&entryCompressed != 0 {
		return true
	}
	return !r.had && uint32(e.bitmap) != 0
}

// fillRoom writes p, and what is around it up to the bounds of clusters or subclusters,
// which it returns as offsets of the disk.
func (w *writer) fillRoom(r *room, p []byte, off int64) (from, to int64, err error) {
	unit := func(e l2Entry) int64 {
		if w.copies(r, e) {
			return int64(w.m.h.ClusterSize)
		}
		return int64(w.m.h.ClusterSize) / subclusters
	}
	end := off + int64(len(p))
	from = off &^ (unit(r.old[0]) - 1)
	last := unit(r.old[len(r.old)-1])
	to = (end + last - 1) &^ (last - 1)
	at := func(off int64) int64 { return r.host + off - r.first<<w.m.h.clusterBits }

	head, err := w.around(r, from, off)
	if err != nil {
		return 0, 0, err
	}
	tail, err := w.around(r, end, to)
	if err != nil {
		return 0, 0, err
	}
	start := off
	if len(head)+len(tail) > 0 && len(p) <= 1<<20 {
		p = append(append(head, p...), tail...)
		start -= int64(len(head))
		head, tail = nil, nil
	}
	for _, part := range []struct {
		b   []byte
		off int64
	}{{head, from}, {p, start}, {tail, end}} {
		if len(part.b) > 0 {
			if _, err := w.m.writeData(part.b, part.off, at(part.off)); err != nil {
				return 0, 0, err
			}
		}
	}
	return from, to, nil
}

// around returns what the disk has from an offset to another, or nil if these are zeros and
// the new place has zeros there anyway, which are no zeros in an encrypted one.
func (w *writer) around(r *room, from, to int64) ([]byte, error) {
	if from == to || r.fresh && w.m.cipher == nil && w.zeros(from, to) {
		return nil, nil
	}
	b := make([]byte, to-from, to-from+min(1<<20, to-from)) // what is written mostly follows
	for done := int64(0); done < to-from; {
		n, err := w.m.readHeld(b[done:], from+done)
		if err != nil {
			return nil, err
		}
		done += int64(n)
	}
	return b, nil
}

// zeros reports whether a part of the disk is known to read as zeros.
func (w *writer) zeros(from, to int64) bool {
	for from < to {
		s, err := w.m.segment(from, to-from)
		if err != nil || s.kind == disk.Data || s.kind == disk.Compressed {
			return false
		}
		if s.kind == disk.Hole && w.m.backing != nil && from < w.m.backing.Size() {
			return false
		}
		from += s.size
	}
	return true
}
