package crash

import (
	"hash/maphash"
	"math/rand/v2"
	"os"
	"sync"
)

// A replayed device is an image that is only read, with what was written to it kept in memory. The
// writes to it are recorded, and it can be made to be what it was after any of them.
type replayed struct {
	base *os.File
	size int64

	mu     sync.Mutex
	blocks map[int64][]byte // guarded by mu: of 4 KiB, by offset; none is ever changed
	record bool             // guarded by mu
	log    []event          // guarded by mu
}

// An event is a write, or if it has no data a flush.
type event struct {
	off  int64
	data []byte
}

const replayedBlock = 4096

func (r *replayed) Size() int64 { return r.size }

func (r *replayed) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for done := 0; done < len(p); {
		at := off + int64(done)
		start := at &^ (replayedBlock - 1)
		n := min(len(p)-done, int(start+replayedBlock-at))
		if b := r.blocks[start]; b != nil {
			copy(p[done:done+n], b[at-start:])
		} else {
			// What follows that is not in memory either.
			for done+n < len(p) && r.blocks[at+int64(n)] == nil {
				n = min(n+replayedBlock, len(p)-done)
			}
			if m, err := r.base.ReadAt(p[done:done+n], at); m < n {
				return done, err
			}
		}
		done += n
	}
	return len(p), nil
}

func (r *replayed) WriteAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record {
		r.log = append(r.log, event{off, append([]byte{}, p...)})
	}
	return len(p), r.put(r.blocks, p, off)
}

func (r *replayed) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record {
		r.log = append(r.log, event{})
	}
	return nil
}

// put writes to a set of blocks. Preconditions: mu is held.
func (r *replayed) put(blocks map[int64][]byte, p []byte, off int64) error {
	for len(p) > 0 {
		start := off &^ (replayedBlock - 1)
		n := min(len(p), int(start+replayedBlock-off))
		b := make([]byte, replayedBlock)
		if old := blocks[start]; old != nil {
			copy(b, old)
		} else if n < replayedBlock {
			if _, err := r.base.ReadAt(b[:min(replayedBlock, r.size-start)], start); err != nil {
				return err
			}
		}
		copy(b[off-start:], p[:n])
		blocks[start] = b
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// begin makes the device the image again and begins to record.
func (r *replayed) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks, r.log, r.record = map[int64][]byte{}, nil, true
}

// position returns how many events there are.
func (r *replayed) position() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.log)
}

// end ends the recording and returns what there is of it.
func (r *replayed) end() []event {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record = false
	return r.log
}

// become makes the device what some blocks say. They stay as they are.
func (r *replayed) become(blocks map[int64][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = make(map[int64][]byte, len(blocks)+64)
	for at, b := range blocks {
		r.blocks[at] = b
	}
}

// save writes the device to a copy of the image.
func (r *replayed) save(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, b := range r.blocks {
		if _, err := f.WriteAt(b[:min(replayedBlock, r.size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// A playback goes through the events of a recording.
type playback struct {
	r      *replayed
	events []event
	next   int
	blocks map[int64][]byte
	sum    maphash.Hash // of what was played
}

// aceSeed makes the sums of equal recordings equal.
var aceSeed = maphash.MakeSeed()

func (r *replayed) play(events []event) *playback {
	p := &playback{r: r, events: events, blocks: map[int64][]byte{}}
	p.sum.SetSeed(aceSeed)
	return p
}

// to plays the events before a position.
func (p *playback) to(position int) error {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	for ; p.next < position; p.next++ {
		e := p.events[p.next]
		maphash.WriteComparable(&p.sum, e.off)
		p.sum.Write(e.data)
		if err := p.r.put(p.blocks, e.data, e.off); err != nil {
			return err
		}
	}
	return nil
}

// torn returns the blocks after the events before a position, without some that were written
// since the last flush. Blocks are whole: that is how large those of the disk are.
func (p *playback) torn(rng *rand.Rand, position int) (map[int64][]byte, error) {
	flushed := lastFlush(p.events, position)
	q := p.r.play(p.events)
	if err := q.to(flushed); err != nil {
		return nil, err
	}
	keep := rng.IntN(101) // percent
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	for _, e := range p.events[flushed:position] {
		for data, off := e.data, e.off; len(data) > 0; {
			n := min(len(data), int(replayedBlock-off%replayedBlock))
			if rng.IntN(100) < keep {
				if err := p.r.put(q.blocks, data[:n], off); err != nil {
					return nil, err
				}
			}
			data, off = data[n:], off+int64(n)
		}
	}
	return q.blocks, nil
}

// lastFlush returns the position after the last flush before a position, or 0.
func lastFlush(events []event, position int) int {
	for position > 0 && events[position-1].data != nil {
		position--
	}
	return position
}

// newReplayed opens an image.
func newReplayed(path string) (*replayed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	return &replayed{base: f, size: st.Size(), blocks: map[int64][]byte{}}, err
}
