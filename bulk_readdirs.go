package unboot

import (
	"sync"

	"golang.org/x/sys/unix"
)

// ReadDirs returns all entries of directories, or why one could not be read. Some
// eight small directories take one round trip to the kernel, where [FS.Entries] takes
// some for each. Entries that come with an error are those before it. The last
// element of a path is not followed if it is a symbolic link. o may be nil; its
// OneFileSystem is ignored.
//
// A directory that a damaged file system reads in a circle is an error that wraps
// unix.EUCLEAN.
func (f *FS) ReadDirs(dirs []string, o *WalkOptions) ([][]Entry, []error) {
	lists, errs := make([][]Entry, len(dirs)), make([]error, len(dirs))
	w := &walker{f: f, o: &WalkOptions{}, open: map[int]struct{}{}}
	if o != nil {
		*w.o = *o
		w.o.OneFileSystem = false
	}
	w.cond.L = &w.mu
	f.t.walks(w)
	defer w.stop()
	r := w.newReader()
	slots := walkSlots.Get().(*[walkBatch]walkSlot)
	r.slots = *slots
	defer func() {
		*slots = r.slots
		walkSlots.Put(slots)
	}()
	for start := 0; start < len(dirs); start += walkBatch {
		var batch []*walkDir
		for i, dir := range dirs[start:min(start+walkBatch, len(dirs))] {
			if !validPath(dir) {
				errs[start+i] = f.pathError("readdir", dir, unix.EINVAL)
			}
			batch = append(batch, &walkDir{path: dir, fd: -1, err: errs[start+i]})
		}
		r.readAll(batch)
		for i, d := range batch {
			lists[start+i], errs[start+i] = d.entries, d.err
		}
	}
	r.closeIdle()
	return lists, errs
}

// walkSlots holds what readers have done with.
var walkSlots = sync.Pool{New: func() any { return new([walkBatch]walkSlot) }}

// readAll reads directories whole, but those that have an error.
func (r *walkReader) readAll(dirs []*walkDir) {
	var valid []*walkDir
	for _, d := range dirs {
		if d.err == nil {
			valid = append(valid, d)
		}
	}
	r.read(valid, r.takeIdle())
	for _, d := range valid {
		r.readRest(d)
		r.w.closeLater(d)
	}
}

// takeIdle returns the descriptors that are to be closed.
func (r *walkReader) takeIdle() []int {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	idle := r.w.idle
	r.w.idle = nil
	return idle
}

// closeIdle closes them, in one round trip.
func (r *walkReader) closeIdle() {
	idle := r.takeIdle()
	if len(idle) == 0 || r.w.f.t.begin() != nil {
		return
	}
	defer r.w.f.t.end()
	r.chain.Reset()
	for _, fd := range idle {
		r.chain.Close(fd)
	}
	r.forget(idle)
	r.chain.Run() // as close(2), it closes whatever it returns
}

// readRest adds all entries of an open directory that are left. It returns true if
// it has come to the end.
func (r *walkReader) readRest(d *walkDir) (ended bool) {
	var c circle
	for d.fd >= 0 && d.err == nil && !ended {
		ended = r.readOn(d)
		if err := c.check(len(d.entries), func(i int) string { return d.entries[i].name }); err != nil {
			d.err = r.w.f.pathError("readdir", d.path, err)
		}
	}
	return ended
}
