package lkl

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Program is one that [Kernel.Exec] has started. It must be closed. It may be used by any
// number of goroutines.
type Program struct {
	k  *Kernel
	fd int

	// use is held for reading by each call, and for writing to close the descriptor,
	// whose number may be another's at once.
	use     sync.RWMutex
	closed  bool // guarded by use
	closing atomic.Bool
}

// An Exit says how a program has ended, as wait4(2) does.
type Exit struct {
	// Status is the exit status, or the signal.
	Status syscall.WaitStatus
	// UserTime and SystemTime are the processor time of the program and of those of its
	// children that it has waited for.
	UserTime, SystemTime time.Duration
	// MaxRSS is the most memory that its largest process had at a time, in bytes.
	MaxRSS int64
}

// Wait waits until the program has ended, and with it all that it had started. It may be
// called more than once, and takes one of the kernel's workers (see [Config.Workers]) while
// it waits.
func (p *Program) Wait() (*Exit, error) {
	p.use.RLock()
	defer p.use.RUnlock()
	if p.closed {
		return nil, unix.EBADF
	}
	c, err := p.k.begin()
	if err != nil {
		return nil, err
	}
	defer c.end()
	mem, addr := c.room(sizeofExit)
	if _, err := c.do(opWait, uint64(p.fd), addr); err != nil {
		return nil, err
	}
	e := loadExit(mem)
	return &Exit{
		Status:     syscall.WaitStatus(e.Status),
		UserTime:   time.Duration(e.UtimeNs),
		SystemTime: time.Duration(e.StimeNs),
		MaxRSS:     int64(e.Maxrss),
	}, nil
}

// Flags of [Program.Kill].
const (
	KILL_GROUP = killGroup // its process group
	KILL_ALL   = killAll   // the program and all that it has started
)

// Kill sends a signal to the program, or to what flags say. It is unix.ESRCH when the
// program has ended.
func (p *Program) Kill(sig syscall.Signal, flags int) error {
	p.use.RLock()
	defer p.use.RUnlock()
	if p.closed {
		return unix.ESRCH
	}
	_, err := p.k.call(opKill, uint64(p.fd), uint64(sig), uint64(flags))
	return err
}

// Close kills the program, and all that it has started, if it still runs, and returns when
// they have ended and no Wait is under way. Closing again does nothing.
func (p *Program) Close() error {
	if p.closing.Swap(true) {
		return nil
	}
	// What waits for its end does not have to be waited for.
	p.Kill(unix.SIGKILL, KILL_ALL)
	_, err := p.Wait()
	p.use.Lock()
	defer p.use.Unlock()
	p.closed = true
	p.k.state.programs.running.Add(-1)
	if cerr := p.k.CloseFd(p.fd); err == nil {
		err = cerr
	}
	return err
}
