package lkl

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A server serves the block requests of a kernel: those for disks that are Go
// code, and what the kernel process would have to wait for on the others.
type server struct {
	k     *state
	event *os.File
	head  uint32 // of the block ring

	mu       sync.Mutex
	disks    [maxDisks]*disk // guarded by mu
	attached bool            // guarded by mu: there has been a disk
	taken    [maxBlocks]bool // guarded by mu: tags under way
	requests sync.WaitGroup  // Add is guarded by mu
	closed   bool            // guarded by mu: no more requests

	doneMu   sync.Mutex
	doneTail atomic.Uint32 // stored under doneMu: of the ring of completions
}

// init prepares the server for run.
func (s *server) init(k *state, event *os.File) {
	s.k, s.event = k, event
	k.w.acquire() // run's
}

// used reports whether a disk has ever been attached.
func (s *server) used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attached
}

// run takes requests from the ring until the kernel ends. It has no thread
// while there are none.
func (s *server) run() {
	defer s.k.w.release()
	asleep := &s.k.w.header.ServerAsleep
	var count [8]byte
	for {
		if !s.drain() {
			return
		}
		atomic.StoreUint32(asleep, 1)
		if atomic.LoadUint32(&s.k.w.blockRing.Tail) != s.head {
			atomic.StoreUint32(asleep, 0)
			continue
		}
		if _, err := s.event.Read(count[:]); err != nil {
			return // closed
		}
	}
}

// drain starts all requests that are in the ring. It returns false if the
// kernel is not to be served any more.
func (s *server) drain() bool {
	ring := s.k.w.blockRing
	tail := atomic.LoadUint32(&ring.Tail)
	// A device is to see what its user has done before the call that a request is
	// for. That call was posted under the lock: see follow for why this is needed.
	s.k.mu.Lock()
	s.k.mu.Unlock()
	if tail-s.head > maxBlocks {
		s.k.kill(errProtocol)
		return false
	}
	for ; s.head != tail; s.head++ {
		tag := atomic.LoadUint32(&ring.Entry[s.head%maxBlocks])
		if tag >= maxBlocks || !s.take(tag) {
			s.k.kill(errProtocol)
			return false
		}
	}
	atomic.StoreUint32(&ring.Head, s.head)
	return true
}

// take starts the request of a tag. It returns false if that is under way
// already, or all is over.
func (s *server) take(tag uint32) bool {
	b := s.k.w.blocks[tag] // a copy: it may change
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[tag] || s.closed {
		return false
	}
	s.taken[tag] = true
	var d *disk
	if b.Disk < maxDisks {
		d = s.disks[b.Disk]
	}
	if d != nil {
		d.requests.Add(1)
	}
	s.requests.Add(1)
	s.k.w.acquire()
	go func() {
		var err error = unix.ENODEV
		if d != nil {
			err = d.serve(s.k.w, &b)
			d.requests.Done()
		}
		s.complete(tag, err)
		s.k.w.release()
		s.requests.Done()
	}()
	return true
}

// complete answers a request.
func (s *server) complete(tag uint32, err error) {
	s.mu.Lock()
	s.taken[tag] = false
	s.mu.Unlock()
	atomic.StoreInt32(&s.k.w.blocks[tag].Result, -int32(errnoOf(err)))
	ring := s.k.w.doneRing
	s.doneMu.Lock()
	tail := s.doneTail.Load()
	atomic.StoreUint32(&ring.Entry[tail%maxBlocks], tag)
	s.doneTail.Store(tail + 1)
	atomic.StoreUint32(&ring.Tail, tail+1)
	s.doneMu.Unlock()
	s.k.wakeKernel()
}

// follow orders the caller of a call that the kernel has answered after all that
// devices have done for it. The processors do so anyway, as each side stores what
// the next one waits for; but Go's memory model (https://go.dev/ref/mem), and its
// race detector, know nothing of the kernel process in the middle, nor of memory
// that is shared with it. So the order needs a variable of Go's own: the tail is
// stored before the kernel can see a completion, and loaded after its answer.
func (s *server) follow() { s.doneTail.Load() }

// stop ends run, and returns when no disk is in use any more.
func (s *server) stop() {
	s.event.Close()
	s.mu.Lock()
	s.closed = true
	disks := s.disks
	clear(s.disks[:])
	s.mu.Unlock()
	s.requests.Wait()
	for _, d := range disks {
		if d != nil {
			d.close()
		}
	}
}

// A disk is what serves the requests for one.
type disk struct {
	name     string
	size     int64
	readOnly bool
	dev      BlockDevice
	closers  []int          // descriptors
	requests sync.WaitGroup // Add is guarded by server.mu
}

// close returns when nothing uses the disk any more. It must have been removed.
func (d *disk) close() {
	d.requests.Wait()
	for _, fd := range d.closers {
		unix.Close(fd)
	}
}

// serve does what a request says, whose numbers are the kernel process's.
func (d *disk) serve(w *window, b *abiBlock) error {
	if b.Op == blockFlush {
		if d.readOnly {
			return nil
		}
		return d.dev.Flush()
	}
	size := uint64(d.size)
	if b.Offset > size || b.Length > size-b.Offset {
		return unix.EIO
	}
	if b.Op != blockRead && d.readOnly {
		return unix.EPERM
	}
	off, n := int64(b.Offset), int64(b.Length)
	switch b.Op {
	case blockRead, blockWrite:
		p, ok := w.slice(b.Buffer, b.Length)
		if !ok {
			return unix.EFAULT
		}
		if b.Op == blockWrite {
			return writeAll(d.dev, p, off)
		}
		return readAll(d.dev, p, off)
	case blockDiscard:
		if dd, ok := d.dev.(Discarder); ok {
			return dd.Discard(off, n)
		}
	case blockZeroes:
		if z, ok := d.dev.(ZeroWriter); ok {
			return z.WriteZeroes(off, n)
		}
	}
	return unix.EOPNOTSUPP
}

// readAll fills p. What a device has not got, although it is within its size,
// reads as zeros, as a sparse end.
func readAll(dev io.ReaderAt, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := dev.ReadAt(p, off)
		if n < 0 || n > len(p) {
			return unix.EIO
		}
		p, off = p[n:], off+int64(n)
		if errors.Is(err, io.EOF) {
			clear(p)
			return nil
		}
		if err != nil && len(p) > 0 {
			return err
		}
		if n == 0 && len(p) > 0 {
			return io.ErrNoProgress
		}
	}
	return nil
}

func writeAll(dev io.WriterAt, p []byte, off int64) error {
	n, err := dev.WriteAt(p, off)
	if err == nil && n != len(p) {
		return io.ErrShortWrite
	}
	return err
}
