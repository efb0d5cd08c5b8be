package lkl

import (
	"sync"

	"golang.org/x/sys/unix"
)

// A child is a process that this program has started.
type child struct {
	pid int

	mu     sync.Mutex
	reaped bool // guarded by mu: pid may be another's now
}

// kill sends SIGKILL, if the process is still ours.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.reaped {
		unix.Kill(c.pid, unix.SIGKILL)
	}
}

// wait waits for the process to end and reaps it. The status is 0 if other code of the
// program has reaped it.
func (c *child) wait() unix.WaitStatus {
	var info unix.Siginfo
	for {
		// Not reaping yet, so that kill has something to send to.
		err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reaped = true
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(c.pid, &status, 0, nil)
		if err != unix.EINTR {
			return status
		}
	}
}

// end waits for a process that is about to end, and is made to if not.
func (c *child) end() unix.WaitStatus {
	// If it is ending already, its status is set and SIGKILL changes nothing.
	c.kill()
	return c.wait()
}
