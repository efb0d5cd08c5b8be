package lkl

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A CPULimitError is the Cause in the [ExitError] of a kernel that was ended because it took
// more of the processor than [Kernel.LimitCPU] or [Kernel.LimitCall] allows.
type CPULimitError struct {
	Limit time.Duration
	// Call is set if it is a single call that took too long.
	Call bool
}

func (e *CPULimitError) Error() string {
	if e.Call {
		return fmt.Sprintf("one call used more than %v of processor time", e.Limit)
	}
	return fmt.Sprintf("used more than %v of processor time", e.Limit)
}

// A limiter ends a kernel that takes too much of the processor. It looks at the clock of the
// process when a limit can have been reached, and not at all while there is none: calls
// pay nothing for it.
type limiter struct {
	mu sync.Mutex

	// All guarded by mu. The kernel process has one thread, so that it cannot take
	// more than the time that passes.
	total   time.Duration // of LimitCPU, or 0
	until   time.Duration // the process's time at which that is used up
	timer   *time.Timer   // nil if there never was a limit
	stopped bool

	// All guarded by mu, for LimitCall.
	call      time.Duration
	callTimer *time.Timer
	seen      *[maxCalls]seenCall
}

// A seenCall is a call that was in flight when the limiter looked.
type seenCall struct {
	number uint32        // call.number
	flying bool          // it was in flight at all
	since  time.Duration // the process's time when it was first seen
}

// shortestLook is the least time from one look at the clock to the next.
const shortestLook = 10 * time.Millisecond

// LimitCPU lets the kernel take d of the host's processor time from now on. When it has taken
// more, it is killed as by [Kernel.Kill], and calls return an [*ExitError] that wraps a
// [*CPULimitError]. Calling it again begins anew; 0 takes the limit away. Corrupt metadata
// can keep a driver busy forever, and elapsed time cannot tell that from a slow disk.
//
// What counts is the time of the kernel process, not that of this program and of the programs
// that [Kernel.Exec] has started. The error, if it is not the kernel's end, is that of the
// host's clock, clock_gettime(2).
func (k *Kernel) LimitCPU(d time.Duration) error {
	l := &k.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if d <= 0 {
		l.total = 0
		if l.timer != nil {
			l.timer.Stop()
		}
		return nil
	}
	used, err := k.process.cpuTime()
	if err != nil {
		return k.limitError(err)
	}
	if l.stopped {
		return k.endError()
	}
	l.total, l.until = d, used+d
	if l.timer == nil {
		// Of the state alone: a Kernel that nobody uses is to be found.
		s := k.state
		l.timer = time.AfterFunc(d, s.checkCPU)
	} else {
		l.timer.Reset(d)
	}
	return nil
}

// LimitCall ends the kernel as [Kernel.LimitCPU] does, but when it has taken more than d of
// processor time while one and the same call was in flight: for a kernel that is used for so
// long that no total would be right. Calls that go on together share what the kernel takes, and
// the length of one is known to an eighth of d. Calls that wait for what others do, such as a
// read of an empty pipe, would be taken for endless ones: it is not for kernels with such calls.
// 0 takes the limit away.
func (k *Kernel) LimitCall(d time.Duration) error {
	l := &k.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if d <= 0 {
		l.call = 0
		if l.callTimer != nil {
			l.callTimer.Stop()
		}
		return nil
	}
	if _, err := k.process.cpuTime(); err != nil {
		return k.limitError(err)
	}
	if l.stopped {
		return k.endError()
	}
	l.call, l.seen = d, new([maxCalls]seenCall)
	if l.callTimer == nil {
		s := k.state
		l.callTimer = time.AfterFunc(lookAfter(d), s.checkCalls)
	} else {
		l.callTimer.Reset(lookAfter(d))
	}
	return nil
}

// lookAfter returns how long to wait between two looks at the calls in flight.
func lookAfter(limit time.Duration) time.Duration { return max(limit/8, shortestLook) }

// limitError returns the end of the kernel, or else what the host says of its clock.
func (s *state) limitError(err error) error {
	if end := s.endError(); end != nil {
		return end
	}
	return fmt.Errorf("lkl: processor time of the kernel: %w", err)
}

// checkCPU kills the kernel if its time is used up, and looks again when it can be otherwise.
func (s *state) checkCPU() {
	l := &s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	used, err := s.process.cpuTime()
	if err != nil || l.stopped || l.total == 0 {
		return
	}
	if left := l.until - used; left > 0 {
		l.timer.Reset(max(left, shortestLook))
		return
	}
	s.kill(&CPULimitError{Limit: l.total})
}

// checkCalls kills the kernel if a call in flight has been so for too much of its time.
func (s *state) checkCalls() {
	l := &s.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	used, err := s.process.cpuTime()
	if err != nil || l.stopped || l.call == 0 {
		return
	}
	if s.longest(l.seen, used) > l.call {
		s.kill(&CPULimitError{Limit: l.call, Call: true})
		return
	}
	l.callTimer.Reset(lookAfter(l.call))
}

// longest notes which calls are in flight, and returns how much of the processor the kernel has
// taken while the one was that has been for the longest.
func (s *state) longest(seen *[maxCalls]seenCall, used time.Duration) (age time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		c, was := &s.slots[i], &seen[i]
		state := atomic.LoadUint32(&c.abi.State)
		switch flying := state == callPosted || state == callWaited; {
		case !flying:
			was.flying = false
		case !was.flying || was.number != c.number:
			*was = seenCall{c.number, true, used}
		default:
			age = max(age, used-was.since)
		}
	}
	return age
}

// stop has no limit end anything any more.
func (l *limiter) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for _, t := range []*time.Timer{l.timer, l.callTimer} {
		if t != nil {
			t.Stop()
		}
	}
}

// cpuTime returns what the process has taken of the host's processors.
func (c *child) cpuTime() (time.Duration, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return 0, unix.ESRCH
	}
	// The clock of another process, as clock_getcpuclockid(3) makes its number.
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^c.pid)<<3|sched, &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}
