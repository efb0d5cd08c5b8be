package unboot

import (
	"fmt"
	"syscall"
	"time"

	"github.com/unboot/unboot/lkl"
)

// A ProcessState says how a program of a guest has ended, as os.ProcessState does.
type ProcessState struct{ exit lkl.Exit }

// ExitCode returns the exit status, or -1 if a signal has ended the program.
func (p *ProcessState) ExitCode() int {
	if p == nil || !p.exit.Status.Exited() {
		return -1
	}
	return p.exit.Status.ExitStatus()
}

// Exited reports whether the program has ended by itself, and not by a signal.
func (p *ProcessState) Exited() bool { return p.exit.Status.Exited() }

// Success reports whether the exit status is 0.
func (p *ProcessState) Success() bool { return p.ExitCode() == 0 }

// Signal returns the signal that has ended the program, or 0.
func (p *ProcessState) Signal() syscall.Signal {
	if !p.exit.Status.Signaled() {
		return 0
	}
	return p.exit.Status.Signal()
}

// Sys returns the syscall.WaitStatus.
func (p *ProcessState) Sys() any { return p.exit.Status }

// UserTime returns the processor time that the program and its children, of which it has
// waited for, took in user mode.
func (p *ProcessState) UserTime() time.Duration { return p.exit.UserTime }

// SystemTime returns the time that they took in the image's kernel.
func (p *ProcessState) SystemTime() time.Duration { return p.exit.SystemTime }

// MaxRSS returns the most memory that the largest process had at a time, in bytes.
func (p *ProcessState) MaxRSS() int64 { return p.exit.MaxRSS }

// String returns "exit status 1" or "signal: killed", as os.ProcessState does.
func (p *ProcessState) String() string {
	if p == nil {
		return "<nil>"
	}
	if p.Exited() {
		return fmt.Sprintf("exit status %d", p.ExitCode())
	}
	return "signal: " + p.Signal().String()
}

// An ExitError reports that a program has not ended with status 0, as exec.ExitError does.
type ExitError struct {
	*ProcessState
	// Stderr is what the program has written to its standard error, if [Cmd.Output] was to
	// collect it: of much, the beginning and the end.
	Stderr []byte
}

func (e *ExitError) Error() string { return e.ProcessState.String() }

// endsSize is how much of either end is kept, in bytes.
const endsSize = 32 << 10

// ends keeps the beginning and the end of what is written to it.
type ends struct {
	first, last []byte
	left        int64 // out in between
}

func (e *ends) Write(p []byte) (int, error) {
	n := len(p)
	take := min(len(p), endsSize-len(e.first))
	e.first = append(e.first, p[:take]...)
	e.last = append(e.last, p[take:]...)
	if over := len(e.last) - endsSize; over > 0 {
		e.left += int64(over)
		e.last = append(e.last[:0], e.last[over:]...)
	}
	return n, nil
}

func (e *ends) bytes() []byte {
	if e.left == 0 {
		return append(e.first, e.last...)
	}
	return append(fmt.Appendf(e.first, "\n... omitting %d bytes ...\n", e.left), e.last...)
}
