package treecopy

import (
	"slices"
	"sync"

	"github.com/unboot/unboot"

	"github.com/unboot/unboot/internal/desttree"
)

// A putQueue is the small files of an ImageSink on their way, a few at a time to
// each of several goroutines.
type putQueue struct {
	s       *ImageSink
	batch   putBatch // not yet given to a worker
	size    int
	count   int // of files, ever
	jobs    chan putBatch
	workers sync.WaitGroup
	idle    sync.WaitGroup

	mu      sync.Mutex
	pending map[string]bool // keys of what is on its way
	lost    map[string]bool // paths of what was not written, up to maxLost
	fails   []putFailure    // not yet reported
}

type putBatch struct {
	files   []*unboot.NewFile
	members []string // their names in an archive
	keys    []string
	first   int // the number of the first
}

// A putFailure is a file that was not written. no is its place in the order of the tree.
type putFailure struct {
	no   int
	name string
	err  error
}

const (
	putWorkers = 6
	putFiles   = 20
	putBytes   = 512 << 10
	// maxLost bounds what is remembered of an archive that was made to fail. With
	// more, there are no hard links.
	maxLost = 1 << 20
)

func (q *putQueue) start(s *ImageSink) {
	q.s, q.pending, q.lost = s, map[string]bool{}, map[string]bool{}
	q.jobs = make(chan putBatch, putWorkers)
	if !s.Clock.IsZero() {
		return // no workers: in turn, always the same
	}
	for range putWorkers {
		q.workers.Go(func() {
			for b := range q.jobs {
				q.put(b)
			}
		})
	}
}

// takes reports whether a file can be queued: it cannot where another one on its way
// could turn out to be the same.
func (q *putQueue) takes(d *desttree.Dir, p string) bool {
	_, ok := d.Key(p)
	return ok
}

// has reports whether a path is on its way, or may be.
func (q *putQueue) has(d *desttree.Dir, p string) bool {
	key, ok := d.Key(p)
	q.mu.Lock()
	defer q.mu.Unlock()
	if !ok {
		return len(q.pending) > 0
	}
	return q.pending[key]
}

func (q *putQueue) add(d *desttree.Dir, member string, n *unboot.NewFile) {
	key, _ := d.Key(n.Name)
	if len(q.batch.files) == 0 {
		q.batch.first = q.count
	}
	q.count++
	q.mu.Lock()
	q.pending[key] = true
	delete(q.lost, n.Name)
	q.mu.Unlock()
	q.batch.files, q.batch.keys = append(q.batch.files, n), append(q.batch.keys, key)
	q.batch.members = append(q.batch.members, member)
	if q.size += len(n.Data); len(q.batch.files) >= putFiles || q.size >= putBytes {
		q.send()
	}
}

// send gives what was collected to a worker, if there are any.
func (q *putQueue) send() {
	if len(q.batch.files) > 0 {
		batch := q.batch
		q.batch, q.size = putBatch{}, 0
		q.idle.Add(1)
		if q.s.Clock.IsZero() {
			q.jobs <- batch
		} else {
			q.put(batch)
		}
	}
}

// settle waits for all files that are on their way.
func (q *putQueue) settle() {
	q.send()
	q.idle.Wait()
}

// put makes files, in a worker.
func (q *putQueue) put(b putBatch) {
	s := q.s
	for i, err := range s.FS.PutFiles(b.files) {
		n := b.files[i]
		if err = s.putAgain(b.members[i], n.Name, &n.Metadata, n.Data, err); err != nil {
			q.failed(n.Name)
			q.mu.Lock()
			q.fails = append(q.fails, putFailure{b.first + i, s.named(b.members[i], n.Name), err})
			q.mu.Unlock()
		}
		s.Report.moved()
		s.Report.passed(len(n.Data))
	}
	q.mu.Lock()
	for _, key := range b.keys {
		delete(q.pending, key)
	}
	q.mu.Unlock()
	q.idle.Done()
}

// failed notes that a file was not written: there must be no hard link to what is
// there in its place.
func (q *putQueue) failed(p string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.lost) < maxLost {
		q.lost[p] = true
	}
}

// failures returns those that were not reported. All that has come before them is on the
// disk, or among them.
func (q *putQueue) failures() []putFailure {
	q.mu.Lock()
	n := len(q.fails)
	q.mu.Unlock()
	if n == 0 {
		return nil
	}
	q.settle()
	q.mu.Lock()
	defer q.mu.Unlock()
	fails := q.fails
	q.fails = nil
	slices.SortFunc(fails, func(a, b putFailure) int { return a.no - b.no })
	return fails
}

func (q *putQueue) hasFailed(p string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost[p] || len(q.lost) == maxLost
}

func (q *putQueue) close() {
	q.send()
	close(q.jobs)
	q.workers.Wait()
}
