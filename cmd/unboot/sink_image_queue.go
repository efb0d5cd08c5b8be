package main

import (
	"fmt"
	"sync"

	"github.com/unboot/unboot"

	"github.com/unboot/unboot/internal/desttree"
)

// A putQueue is the small files of an imageSink on their way, a few at a time to
// each of several goroutines.
type putQueue struct {
	s       *imageSink
	batch   putBatch // not yet given to a worker
	size    int
	jobs    chan putBatch
	workers sync.WaitGroup
	idle    sync.WaitGroup

	mu      sync.Mutex
	pending map[string]bool // keys of what is on its way
	lost    map[string]bool // paths of what was not written
}

type putBatch struct {
	files []*unboot.NewFile
	keys  []string
}

const (
	putWorkers = 6
	putFiles   = 20
	putBytes   = 512 << 10
)

func (q *putQueue) start(s *imageSink) {
	q.s, q.pending, q.lost = s, map[string]bool{}, map[string]bool{}
	q.jobs = make(chan putBatch, putWorkers)
	if !s.o.clock.IsZero() {
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

func (q *putQueue) add(d *desttree.Dir, n *unboot.NewFile) {
	key, _ := d.Key(n.Name)
	q.mu.Lock()
	q.pending[key] = true
	delete(q.lost, n.Name)
	q.mu.Unlock()
	q.batch.files, q.batch.keys = append(q.batch.files, n), append(q.batch.keys, key)
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
		if q.s.o.clock.IsZero() {
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
	for i, err := range s.fs.PutFiles(b.files) {
		n := b.files[i]
		if err = s.putAgain(n.Name, &n.Metadata, n.Data, err); err != nil {
			q.failed(n.Name)
			s.a.fail(fmt.Errorf("%s: %w", s.o.label(n.Name), reason(err)))
		}
		s.p.files.Add(1)
		s.p.bytes.Add(int64(len(n.Data)))
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
	q.lost[p] = true
}

func (q *putQueue) hasFailed(p string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost[p]
}

func (q *putQueue) close() {
	q.send()
	close(q.jobs)
	q.workers.Wait()
}
