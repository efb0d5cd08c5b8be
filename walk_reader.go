package unboot

import (
	"cmp"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// A walkReader reads directories for one goroutine of a walker.
type walkReader struct {
	w     *walker
	chain *lkl.Chain
	slots [walkBatch]walkSlot
	large []byte // for directories that do not fit in a slot
}

// A walkSlot has the memory for one directory of a round trip.
type walkSlot struct {
	first, more                 []byte
	open, readFirst, readSecond lkl.Link
}

func (w *walker) newReader() *walkReader {
	return &walkReader{w: w, chain: w.f.view.NewChain()}
}

// read reads the first entries of directories, and closes what is idle, in
// one round trip if nothing goes wrong.
func (r *walkReader) read(dirs []*walkDir, idle []int) {
	for len(dirs) > 0 {
		n := r.readSome(dirs, idle)
		dirs, idle = dirs[n:], nil
	}
}

// readSome is read until something goes wrong. It returns how many directories
// have been dealt with, at least one.
func (r *walkReader) readSome(dirs []*walkDir, idle []int) int {
	w, c := r.w, r.chain
	c.Reset()
	for _, fd := range idle {
		c.Close(fd)
	}
	for i, d := range dirs {
		s := &r.slots[i]
		if s.first == nil {
			s.first, s.more = make([]byte, walkFirst), make([]byte, walkMore)
		}
		s.open = c.Openat(unix.AT_FDCWD, "/"+d.path, dirFlags, 0)
		s.readFirst = c.Readdirents(s.open.Fd(), s.first, w.o.mask(), w.o.flags())
		s.readSecond = c.Readdirents(s.open.Fd(), s.more, w.o.mask(), w.o.flags())
	}
	err := w.f.begin()
	mark := w.f.t.img.mark()
	if err == nil {
		// Before, and not after: their numbers can be another reader's at once.
		r.forget(idle)
		err = c.Run()
		r.note(dirs)
		w.f.t.end()
	}
	for i, d := range dirs {
		if i > 0 && r.skipped(&r.slots[i], err) {
			return i
		}
		r.take(d, &r.slots[i], err, mark)
	}
	return len(dirs)
}

// forget takes descriptors off the list of those that are open.
func (r *walkReader) forget(idle []int) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for _, fd := range idle {
		delete(r.w.open, fd)
	}
}

// note records which descriptors are open after a round trip.
func (r *walkReader) note(dirs []*walkDir) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	for i, d := range dirs {
		d.fd = -1
		if fd, err := r.chain.Result(r.slots[i].open); err == nil {
			d.fd = fd
			r.w.open[fd] = struct{}{}
		}
	}
}

// skipped reports whether a directory was not come to, because another one
// failed.
func (r *walkReader) skipped(s *walkSlot, err error) bool {
	_, openErr := r.chain.Result(s.open)
	return err != nil && errors.Is(openErr, unix.ECANCELED)
}

// take takes the results of a directory out of its slot.
func (r *walkReader) take(d *walkDir, s *walkSlot, err error, mark mark) {
	if d.fd < 0 {
		_, openErr := r.chain.Result(s.open)
		d.err = r.failed("open", d, cmp.Or(openErr, err), mark)
		d.fd = -1
		return
	}
	ended := false
	for _, part := range []struct {
		link lkl.Link
		buf  []byte
	}{{s.readFirst, s.first}, {s.readSecond, s.more}} {
		n, err := r.chain.Result(part.link)
		if err == nil {
			ended = n == 0
			d.entries, err = parseEntries(d.entries, d.path, part.buf[:n])
		}
		if err != nil {
			d.err = r.failed("readdir", d, err, mark)
			break
		}
	}
	if r.w.o.Sorted {
		ended = ended || r.readRest(d)
		sortEntries(d.entries)
	}
	if ended {
		r.w.closeLater(d)
	}
	r.findSubs(d)
}

// more reads the next entries of a directory instead of those before, and
// closes it when there are none.
func (r *walkReader) more(d *walkDir) {
	d.entries, d.subs = nil, nil
	if r.readOn(d) {
		r.w.closeLater(d)
	}
	r.findSubs(d)
}

// readOn adds the next entries of a directory. It returns true if there are
// none.
func (r *walkReader) readOn(d *walkDir) (ended bool) {
	w := r.w
	if r.large == nil {
		r.large = make([]byte, dirChunk)
	}
	err := w.f.begin()
	mark := w.f.t.img.mark()
	n := 0
	if err == nil {
		n, err = w.f.view.Readdirents(d.fd, r.large, w.o.mask(), w.o.flags())
		w.f.t.end()
	}
	if err == nil {
		d.entries, err = parseEntries(d.entries, d.path, r.large[:n])
	}
	if err != nil {
		d.err = r.failed("readdir", d, err, mark)
	}
	return err == nil && n == 0
}

// failed returns the error of a directory.
func (r *walkReader) failed(op string, d *walkDir, err error, mark mark) error {
	f := r.w.f
	return f.pathError(op, d.path, f.t.img.explain(err, mark, inodeAt(f.view, "/"+d.path)))
}

// findSubs lists the subdirectories that will be walked.
func (r *walkReader) findSubs(d *walkDir) {
	d.subs = d.subs[:0]
	for i := range d.entries {
		if e := &d.entries[i]; r.w.enters(e) {
			d.subs = append(d.subs, &walkDir{path: e.Path(), fd: -1})
		}
	}
}
