package main

import (
	"errors"
	"path"
	"sync"

	"github.com/unboot/unboot"
	"golang.org/x/sys/unix"
)

const (
	// aheadReaders is how many goroutines read ahead, and aheadBatch how many
	// directories each reads at a time.
	aheadReaders = 2
	aheadBatch   = 8
	// aheadDirs and aheadRows are how many directories, and how many of their entries,
	// may be read and not printed yet: then the readers wait. They bound the memory
	// when the output is slower than the disk, except for one huge directory.
	aheadDirs = 64
	aheadRows = 50_000
)

// A listing is a directory that is listed.
type listing struct {
	path, name string // in the FS, and as it is printed
	rows       []row
	err        error
	subs       []*listing // with -R, in the order in which they are printed

	state listState // guarded by aheadLister.mu; whoever sets listReading owns the other fields
	ahead bool      // read by a goroutine
}

type listState uint8

const (
	listNew listState = iota
	listReading
	listRead
)

// An aheadLister reads directories in the order in which they will be printed, and
// ahead of the printing: reading them one by one would wait for the kernel each time.
type aheadLister struct {
	l    *lister
	o    *opened
	done sync.WaitGroup

	mu      sync.Mutex
	cond    sync.Cond
	stack   []*listing // guarded by mu: what is printed first on top
	dirs    int        // guarded by mu: read ahead, not printed
	rows    int        // guarded by mu, of those
	stopped bool       // guarded by mu
}

func newAheadLister(l *lister, o *opened) *aheadLister {
	r := &aheadLister{l: l, o: o}
	r.cond.L = &r.mu
	// Without -R there is one directory, which wait reads itself.
	if l.recursive {
		for range aheadReaders {
			r.done.Go(r.read)
		}
	}
	return r
}

// stop ends the readers and waits for them: the file system may be closed after it.
func (r *aheadLister) stop() {
	r.mu.Lock()
	r.stopped = true
	r.mu.Unlock()
	r.cond.Broadcast()
	r.done.Wait()
}

// read reads ahead until stop.
func (r *aheadLister) read() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.stopped {
		var dirs []*listing
		if r.dirs < aheadDirs && r.rows < aheadRows {
			dirs = r.take(nil)
		}
		if len(dirs) == 0 {
			r.cond.Wait()
			continue
		}
		r.dirs += len(dirs)
		r.list(dirs)
	}
}

// take adds the next directories to read.
//
// Preconditions: mu is held.
func (r *aheadLister) take(dirs []*listing) []*listing {
	for len(r.stack) > 0 && len(dirs) < aheadBatch {
		d := r.stack[len(r.stack)-1]
		r.stack = r.stack[:len(r.stack)-1]
		// Others were read by wait, and stayed on the stack.
		if d.state == listNew {
			d.state, d.ahead = listReading, true
			dirs = append(dirs, d)
		}
	}
	return dirs
}

// list reads directories and puts those in them on the stack.
//
// Preconditions: mu is held; it is not while the kernel reads.
func (r *aheadLister) list(dirs []*listing) {
	r.mu.Unlock()
	r.l.read(r.o, dirs)
	r.mu.Lock()
	// In reverse, so that what is printed first ends up on top of the stack.
	for i := len(dirs) - 1; i >= 0; i-- {
		d := dirs[i]
		d.state = listRead
		if d.ahead {
			r.rows += len(d.rows)
		}
		for j := len(d.subs) - 1; j >= 0; j-- {
			r.stack = append(r.stack, d.subs[j])
		}
	}
	// Both the printer and readers may wait for this, so Signal could wake the wrong
	// one.
	r.cond.Broadcast()
}

// wait returns when a directory has been read. If no reader has begun with it, wait reads
// it itself, together with the next ones: the readers may be waiting for directories to
// be printed, and would never come to it.
func (r *aheadLister) wait(d *listing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.state == listNew {
		d.state = listReading // it stays on the stack, where take skips it
		dirs := r.take([]*listing{d})
		r.dirs += len(dirs) - 1
		r.list(dirs)
	}
	for d.state != listRead {
		r.cond.Wait()
	}
	// It will be printed now: there is room for others.
	if d.ahead {
		r.dirs--
		r.rows -= len(d.rows)
		r.cond.Broadcast()
	}
}

// read reads directories and sorts their entries. It runs in several goroutines, so it does
// not write to l, and reports nothing: errors wait in the listing until it is printed.
func (l *lister) read(o *opened, dirs []*listing) {
	w := &unboot.WalkOptions{Links: l.long || l.json}
	if !l.long && !l.json && l.sort == 0 && !l.inode {
		// The directory itself has the type, and no inode has to be read.
		w.Mask = unix.STATX_TYPE
	}
	paths := make([]string, len(dirs))
	for i, d := range dirs {
		paths[i] = d.path
	}
	lists, errs := o.fs.ReadDirs(paths, w)
	for i, d := range dirs {
		d.err = errs[i]
		l.take(o, d, lists[i])
	}
}

// take makes the rows of a directory.
func (l *lister) take(o *opened, d *listing, entries []unboot.Entry) {
	// EUCLEAN is that the directory is damaged so that reading it came back to where it
	// had been: its entries are listed once.
	once := map[string]bool{}
	for i := range entries {
		if errors.Is(d.err, unix.EUCLEAN) {
			if once[entries[i].Name()] {
				continue
			}
			once[entries[i].Name()] = true
		}
		if e := &entries[i]; l.all || l.almost || e.Name()[0] != '.' {
			d.rows = append(d.rows, row{e.Name(), e})
		}
	}
	if l.all && !l.json {
		for _, dot := range []string{"..", "."} {
			if st, err := o.fs.Stat(path.Join(d.path, dot)); err == nil {
				d.rows = append(d.rows, row{dot, st.(*unboot.Entry)})
			}
		}
	}
	l.order(d.rows)
	if l.recursive {
		for _, r := range d.rows {
			// A link to a directory is not followed, so the tree has no cycles.
			if r.IsDir() && r.Err == nil && r.name != "." && r.name != ".." {
				d.subs = append(d.subs, &listing{path: path.Join(d.path, r.name), name: path.Join(d.name, r.name)})
			}
		}
	}
	if l.json {
		for i := range d.rows {
			d.rows[i].name = path.Join(d.name, d.rows[i].name)
		}
	}
}
