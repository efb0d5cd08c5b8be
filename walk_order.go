package unboot

import (
	"iter"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	// walkBatch is how many directories are opened and read in a round
	// trip.
	walkBatch = 8

	// walkFirst and walkMore are the sizes of the first two answers of a
	// directory: the second mostly says only that there is no more.
	walkFirst = 32 << 10
	walkMore  = 8 << 10

	// walkReaders is how many goroutines read ahead: while one takes in an
	// answer, the kernel works on the next.
	walkReaders = 2

	// walkAhead is how many directories may have been read, and not been
	// walked.
	walkAhead = 64
)

// Walk iterates over root and all that is below it: each directory before its
// entries, and one entry's tree before the next entry, as fs.WalkDir. It does
// not follow symbolic links, root included. Several directories are read ahead.
//
// An error belongs to the entry that comes with it: a directory that cannot be
// read comes a second time, with the error. The walk goes on unless the loop
// ends it, or the kernel has ended. Only if root cannot be looked at is the entry nil. o may be nil.
func (f *FS) Walk(root string, o *WalkOptions) iter.Seq2[*Entry, error] {
	if o == nil {
		o = &WalkOptions{}
	}
	return func(yield func(*Entry, error) bool) {
		e, err := f.entry("walk", root, unix.AT_SYMLINK_NOFOLLOW)
		if err != nil {
			yield(nil, err)
			return
		}
		if o.Links && e.Stat.Mode&unix.S_IFMT == unix.S_IFLNK {
			if e.Link, err = f.ReadLink(root); err != nil {
				e.Err = err
			}
		}
		if o.Xattrs {
			f.call("walk", root, func(p string) error {
				if e.XattrSize, err = f.view.Llistxattr(p, nil); err == unix.EOPNOTSUPP {
					e.XattrSize = 0
				}
				return nil
			})
		}
		w := &walker{f: f, o: o, yield: yield, root: e, open: map[int]struct{}{}}
		w.cond.L = &w.mu
		if !e.IsDir() {
			yield(e, nil)
			return
		}
		if !yield(e, nil) || e.skip {
			return
		}
		n := &walkDir{path: root}
		w.push([]*walkDir{n})
		f.t.walks(w)
		for range walkReaders {
			w.ahead.Go(w.readAhead)
		}
		defer w.stop()
		w.walk(e, n)
	}
}

// A walker walks a tree: walk goes through it in order and gives the entries
// out, while readAhead reads the directories that come next.
type walker struct {
	f     *FS
	o     *WalkOptions
	yield func(*Entry, error) bool
	root  *Entry
	ahead sync.WaitGroup

	mu      sync.Mutex
	cond    sync.Cond
	stack   []*walkDir // guarded by mu: to be read, what is walked first on top
	unused  int        // guarded by mu: read by readAhead, and not walked
	stopped bool       // guarded by mu

	open map[int]struct{} // guarded by mu: all descriptors
	idle []int            // guarded by mu: those to be closed in passing
}

// A walkDir is a directory that will be walked.
type walkDir struct {
	path    string
	state   walkState  // guarded by walker.mu; the rest belongs to who reads it
	entries []Entry    // the first, or all
	subs    []*walkDir // of those entries that are directories, in order
	fd      int        // open if there are more entries, or -1
	err     error
	counted bool // in walker.unused
}

type walkState uint8

const (
	walkNew walkState = iota // on the stack
	walkReading
	walkRead
)

// push puts directories on the stack. The first is walked first.
func (w *walker) push(dirs []*walkDir) {
	if len(dirs) == 0 {
		return
	}
	w.mu.Lock()
	for i := len(dirs) - 1; i >= 0; i-- {
		w.stack = append(w.stack, dirs[i])
	}
	w.mu.Unlock()
	w.cond.Broadcast()
}

// take takes up to max directories to read, from the top of the stack.
//
// Preconditions: mu is held.
func (w *walker) take(dirs []*walkDir, max int) []*walkDir {
	for len(dirs) < max && len(w.stack) > 0 {
		top := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if top.state == walkNew {
			top.state = walkReading
			dirs = append(dirs, top)
		}
	}
	return dirs
}

// readAhead reads directories until stop.
func (w *walker) readAhead() {
	r := w.newReader()
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.stopped {
		var dirs []*walkDir
		if w.unused < walkAhead {
			dirs = w.take(nil, walkBatch)
		}
		if len(dirs) == 0 {
			w.cond.Wait()
			continue
		}
		for _, d := range dirs {
			d.counted = true
		}
		w.unused += len(dirs)
		w.read(r, dirs)
	}
}

// read reads directories and puts their subdirectories on the stack.
//
// Preconditions: mu is held; it is not while the kernel reads.
func (w *walker) read(r *walkReader, dirs []*walkDir) {
	idle := w.idle
	w.idle = nil
	w.mu.Unlock()
	r.read(dirs, idle)
	w.mu.Lock()
	for i := len(dirs) - 1; i >= 0; i-- {
		d := dirs[i]
		d.state = walkRead
		for j := len(d.subs) - 1; j >= 0; j-- {
			w.stack = append(w.stack, d.subs[j])
		}
	}
	w.cond.Broadcast()
}

// await returns when d has been read, by readAhead or here.
func (w *walker) await(r *walkReader, d *walkDir) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d.state != walkRead {
		if d.state == walkReading {
			w.cond.Wait()
			continue
		}
		d.state = walkReading // it stays on the stack, where take skips it
		w.read(r, w.take([]*walkDir{d}, walkBatch))
	}
	if d.counted {
		w.unused--
		if w.unused == walkAhead-1 {
			w.cond.Broadcast()
		}
	}
}

// walk gives out the entries of a directory and all below. It returns false if
// the loop was ended. Directories that wait to be walked are on a stack here and not
// the goroutine's, since trees can be deep.
func (w *walker) walk(e *Entry, d *walkDir) bool {
	r := w.newReader()
	type level struct {
		self *Entry
		dir  *walkDir
		i    int // of the next entry
		sub  int // of the next subdirectory
	}
	w.await(r, d)
	levels := []level{{self: e, dir: d}}
	for len(levels) > 0 {
		l := &levels[len(levels)-1]
		if l.i == len(l.dir.entries) {
			if l.dir.fd >= 0 && l.dir.err == nil {
				r.more(l.dir)
				l.i, l.sub = 0, 0
				w.push(l.dir.subs)
				continue
			}
			if l.dir.err != nil && (!w.yield(l.self, l.dir.err) || w.f.t.img.k.Err() != nil) {
				return false // what follows would fail for the same reason
			}
			w.closeLater(l.dir)
			levels = levels[:len(levels)-1]
			continue
		}
		e := &l.dir.entries[l.i]
		l.i++
		var sub *walkDir
		if w.enters(e) {
			sub = l.dir.subs[l.sub]
			l.sub++
		}
		if !w.yield(e, e.Err) {
			return false
		}
		if sub == nil {
			continue
		}
		// The entries that have been given out are not needed any more.
		l.dir.subs[l.sub-1] = nil
		if e.skip {
			w.forget(sub)
			continue
		}
		w.await(r, sub)
		levels = append(levels, level{self: e, dir: sub})
	}
	return true
}

// enters reports whether the walk goes into an entry.
func (w *walker) enters(e *Entry) bool {
	return e.IsDir() && e.Err == nil &&
		(!w.o.OneFileSystem || e.Stat.Dev_major == w.root.Stat.Dev_major && e.Stat.Dev_minor == w.root.Stat.Dev_minor)
}

// forget drops a directory that is not walked, and all that has been read
// below it.
func (w *walker) forget(d *walkDir) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for d.state == walkReading {
		w.cond.Wait()
	}
	if d.state == walkRead {
		if d.counted {
			w.unused--
		}
		if d.fd >= 0 {
			w.idle = append(w.idle, d.fd)
			d.fd = -1
		}
		subs := d.subs
		w.mu.Unlock()
		for _, s := range subs {
			w.forget(s)
		}
		w.mu.Lock()
	}
	d.state = walkRead // take does not take it any more
	w.cond.Broadcast()
}

// closeLater leaves a directory to be closed by the next round trip.
func (w *walker) closeLater(d *walkDir) {
	if d.fd >= 0 {
		w.mu.Lock()
		w.idle = append(w.idle, d.fd)
		w.mu.Unlock()
		d.fd = -1
	}
}

// stop ends readAhead and closes what is open.
func (w *walker) stop() {
	w.mu.Lock()
	w.stopped = true
	w.cond.Broadcast()
	w.mu.Unlock()
	w.ahead.Wait()
	t := w.f.t
	if t.begin() != nil {
		return // the tree has closed it all
	}
	defer t.end()
	t.mu.Lock()
	delete(t.walkers, w)
	t.mu.Unlock()
	w.closeAll()
}

// closeAll closes all descriptors.
func (w *walker) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for fd := range w.open {
		w.f.view.CloseFd(fd)
	}
	clear(w.open)
	w.idle = nil
}
