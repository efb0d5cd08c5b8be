package qcow2

import "sync"

// ranges are parts of the disk, in clusters, that one goroutine each has for itself.
type ranges struct {
	mu   sync.Mutex // guards held
	free sync.Cond
	held map[*span]struct{}
}

// span is a part of the disk, in clusters.
type span struct{ first, end int64 }

func (r *ranges) init() {
	r.free.L = &r.mu
	r.held = map[*span]struct{}{}
}

// lock waits until no other goroutine has any of the clusters.
func (r *ranges) lock(first, end int64) (unlock func()) {
	s := &span{first, end}
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.overlaps(s) {
		r.free.Wait()
	}
	r.held[s] = struct{}{}
	return func() {
		r.mu.Lock()
		delete(r.held, s)
		r.mu.Unlock()
		r.free.Broadcast()
	}
}

func (r *ranges) overlaps(s *span) bool {
	for h := range r.held {
		if s.first < h.end && h.first < s.end {
			return true
		}
	}
	return false
}
