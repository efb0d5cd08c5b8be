package lkl

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A state is all of a Kernel but the pointer that its user holds: goroutines
// refer to it only, so that a forgotten Kernel is noticed.
type state struct {
	w        *window
	pid      int
	sandbox  Sandbox
	snapshot bool // see FromSnapshot
	log      logTail
	logFunc  func(string)
	spin     spinner
	scratch  arena
	buffers  arena
	server   server
	process  process
	programs programs
	limiter  limiter
	slots    [maxCalls]call

	done chan struct{} // closed when the process has been reaped
	gone chan struct{} // closed when nothing is left but what callers hold

	closing atomic.Bool // Close has been called

	// The control socket carries a disk's descriptors to the request that
	// attaches it: one at a time.
	attachMu sync.Mutex
	control  int // guarded by attachMu; -1 when closed

	mu       sync.Mutex
	idle     []*call      // guarded by mu, a stack
	waiting  []chan *call // guarded by mu, for an idle one
	callTail uint32       // guarded by mu: of the ring
	dead     bool         // guarded by mu: the process has ended
	err      error        // guarded by mu; constant when dead
	cause    error        // guarded by mu: why it was killed
}

var (
	errForgotten = errors.New("it was not used any more, and not closed")
	errHalt      = errors.New("it did not power off in time")
	errNoFilter  = errors.New("it runs without its system call filter")
)

// start makes the memory, the process, and its block server. The caller starts
// watch.
func start(c *Config) (*state, error) {
	w, windowFd, err := newWindow()
	if err != nil {
		return nil, err
	}
	s := &state{
		w: w, logFunc: c.Log, control: -1,
		done: make(chan struct{}),
		gone: make(chan struct{}),
	}
	s.spin.budget.Store(int64(spinMax))
	s.scratch.init(offScratch, offBuffers)
	s.buffers.init(offBuffers, offBounce)
	s.idle = make([]*call, 0, maxCalls)
	for i := maxCalls - 1; i >= 0; i-- {
		s.slots[i] = call{k: s, index: uint32(i), abi: &w.calls[i]}
		s.idle = append(s.idle, &s.slots[i])
	}
	s.programs.init(c.Programs)
	w.header.fill(c)
	if c.spoil != nil {
		c.spoil(w.header)
	}
	if err := s.process.start(windowFd, w.header); err != nil {
		w.release()
		return nil, err
	}
	s.pid = s.process.pid
	s.control = s.process.control
	s.server.init(s, s.process.event)
	go s.server.run()
	return s, nil
}

// fill writes the parent's part of the header.
func (h *abiHeader) fill(c *Config) {
	h.Magic = abiMagic
	h.Version = abiVersion
	h.Memory = uint64(c.Memory)
	h.Workers = uint32(c.Workers)
	h.Programs = uint64(c.Programs)
	h.Parent = uint32(os.Getpid())
	if !c.Clock.IsZero() {
		h.Clock = uint64(max(c.Clock.UnixNano(), 1)) // 0 is the host's
	}
	if maxSpinning == 0 {
		h.Flags |= flagNoSpin
	}
	if c.Testing {
		h.Flags |= flagTesting
	}
	if os.Getenv(bootVariable) != "" {
		h.Flags |= flagBoot
	}
	// Not crypto/rand: what it brings along takes a millisecond to start.
	unix.Getrandom(h.Seed[:], 0)
	if !c.Clock.IsZero() {
		// A fixed clock is asked for to get the same bytes twice, and the
		// kernel's random numbers end up in images.
		clear(h.Seed[:])
		h.Seed[0] = 1
	}
	// The messages of the boot are in its log; waking the reader for each line would
	// take longer than the boot. From then on everything is sent.
	copy(h.Cmdline[:], quiet+c.Cmdline)
}

// bootVariable is the environment variable that, if it is not empty, has kernels boot that
// could go on from the snapshot of one that has booted.
const bootVariable = "UNBOOT_BOOT"

// quiet begins every command line.
const quiet = "quiet "

// awaitReady waits for the kernel to have booted, or to have ended.
func (s *state) awaitReady() error {
	word := &s.w.header.Status
	for {
		switch status := atomic.LoadUint32(word); status {
		case statusStart, statusPanic:
			// The timeout is for a process that does not wake us.
			futexWait(word, status, time.Second)
		case statusReady:
			h := s.w.header
			s.sandbox = Sandbox{
				Flags: atomic.LoadUint32(&h.Sandbox),
				Errno: unix.Errno(atomic.LoadUint32(&h.SandboxErrno)),
			}
			s.snapshot = atomic.LoadUint32(&h.Snapshot) == 1
			if !s.sandbox.Has(SANDBOX_SECCOMP) {
				s.kill(errNoFilter)
				<-s.done
				return s.endError()
			}
			return s.endError()
		default:
			s.kill(errProtocol)
			<-s.done
			return s.endError()
		}
	}
}

// watch follows the log until the process ends, then wakes all callers and
// clears up.
func (s *state) watch(stop func() bool) {
	s.log.read(s.process.log, s.logFunc)
	// A process that has only closed its log is not one of ours any more.
	status := s.process.end()
	err := s.endOf(status)

	s.mu.Lock()
	s.dead, s.err = true, err
	for _, ch := range s.waiting {
		close(ch)
	}
	s.waiting = nil
	s.mu.Unlock()
	s.scratch.close(err)
	s.buffers.close(err)
	for i := range s.w.calls {
		word := &s.w.calls[i].State
		if !atomic.CompareAndSwapUint32(word, callPosted, callDead) &&
			atomic.CompareAndSwapUint32(word, callWaited, callDead) {
			futexWake(word, 1)
		}
	}
	atomic.StoreUint32(&s.w.header.Status, statusDead)
	futexWake(&s.w.header.Status, maxCalls)
	close(s.done)

	stop()
	s.limiter.stop()
	s.endPrograms()
	s.server.stop()
	s.process.log.Close()
	s.attachMu.Lock()
	unix.Close(s.control)
	s.control = -1
	s.attachMu.Unlock()
	s.w.release()
	close(s.gone)
}

// endOf says why the process has ended.
func (s *state) endOf(status unix.WaitStatus) error {
	s.mu.Lock()
	cause := s.cause
	s.mu.Unlock()
	switch {
	case status.Exited() && (status.ExitStatus() == exitPanic || status.ExitStatus() == exitFault):
		return &PanicError{Fault: status.ExitStatus() == exitFault, Log: s.log.last(maxLog)}
	case cause == ErrClosed:
		return ErrClosed
	case cause != nil:
		return &ExitError{Cause: cause, Code: -1, Signal: unix.SIGKILL, Log: s.log.last(maxLog)}
	case status.Exited() && status.ExitStatus() == 0 && s.closing.Load():
		return ErrClosed
	case status.Exited():
		return &ExitError{Code: status.ExitStatus(), Log: s.log.last(maxLog)}
	}
	switch sig := status.Signal(); sig {
	case unix.SIGSEGV, unix.SIGBUS, unix.SIGILL, unix.SIGFPE:
		return &PanicError{Fault: true, Log: s.log.last(maxLog)}
	default:
		return &ExitError{Code: -1, Signal: sig, Log: s.log.last(maxLog)}
	}
}

// maxLog is the number of lines in an error.
const maxLog = 100

// kill ends the process. The first cause is kept.
func (s *state) kill(cause error) {
	s.mu.Lock()
	if s.cause == nil {
		s.cause = cause
	}
	s.mu.Unlock()
	s.process.kill()
}

// violated ends a process that does not keep to the protocol, and returns the
// error for the caller who noticed.
func (s *state) violated(what string) error {
	s.kill(fmt.Errorf("%w (%s)", errProtocol, what))
	<-s.done
	return s.endError()
}

func (s *state) endError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
