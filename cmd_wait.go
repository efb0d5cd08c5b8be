package unboot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Run starts the command and waits for its end: see [Cmd.Start] and [Cmd.Wait].
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Wait waits until the program has ended, all of its output has been written, and what it
// has written to the tree is on the disk. The error is an *[ExitError] if the program was
// killed or its status is not 0; if it was to be ended by its context, and has ended with
// status 0, that of the context; and otherwise one of streaming or of the disk. Errors of
// the disk, also of what was written to the image's devices, and of what was written to a directory
// of the host, are joined to the others.
func (c *Cmd) Wait() error {
	c.mu.Lock()
	again := c.waited
	c.waited = true
	c.mu.Unlock()
	switch {
	case c.program == nil:
		return errors.New("unboot: command was not started")
	case again:
		return errors.New("unboot: Wait was called already")
	}
	<-c.ended
	var err error
	if c.exit != nil {
		c.ProcessState = &ProcessState{*c.exit}
		if !c.ProcessState.Success() {
			err = &ExitError{ProcessState: c.ProcessState}
		}
	}
	var timer *time.Timer
	if c.watched != nil {
		r := <-c.watched
		timer = r.timer
		if err == nil {
			err = r.err
		}
	}
	if serr := c.awaitStreams(timer); err == nil {
		err = serr
	}
	c.streams.closeOurs()
	if c.endErr == nil {
		return err
	}
	if c.exit == nil {
		return c.endErr // the kernel has ended: the rest are consequences
	}
	return errors.Join(err, c.endErr)
}

// awaitStreams waits for the goroutines that stream, until timer or else WaitDelay says that
// it is enough.
func (c *Cmd) awaitStreams(timer *time.Timer) error {
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	if timer == nil && c.WaitDelay != 0 {
		timer = time.NewTimer(c.WaitDelay)
	}
	var enough <-chan time.Time
	if timer != nil {
		enough = timer.C
	}
	var first error
	for ; c.streams.copying > 0; c.streams.copying-- {
		select {
		case err := <-c.streams.copied:
			if first == nil {
				first = err
			}
		case <-enough:
			if first == nil {
				first = exec.ErrWaitDelay
			}
			return first
		}
	}
	return first
}

// A ctxResult is what has come of watching the context.
type ctxResult struct {
	err   error
	timer *time.Timer // what is left of WaitDelay, or nil
}

// watch ends the command with its context.
func (c *Cmd) watch() {
	select {
	case <-c.ended:
		c.watched <- ctxResult{}
		return
	case <-c.ctx.Done():
	}
	var r ctxResult
	if c.Cancel != nil {
		switch err := c.Cancel(); {
		case err == nil:
			// It has had an effect, unless the program ends otherwise.
			r.err = c.ctx.Err()
		case !errors.Is(err, os.ErrProcessDone):
			r.err = fmt.Errorf("unboot: canceling a command: %w", err)
		}
	}
	if c.WaitDelay != 0 {
		r.timer = time.NewTimer(c.WaitDelay)
		select {
		case <-c.ended:
		case <-r.timer.C:
			if err := c.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				r.err = fmt.Errorf("unboot: killing a command: %w", err)
			}
			r.timer.Reset(0)
		}
	}
	c.watched <- r
}

// Signal sends a signal of syscall.Signal to the program, but not to the processes that it
// has started. It is os.ErrProcessDone if it has ended, and os.Kill ends all of them.
func (c *Cmd) Signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	switch {
	case !ok:
		return errors.New("unboot: unsupported signal type")
	case s == syscall.SIGKILL:
		return c.kill(s, lkl.KILL_ALL)
	}
	return c.kill(s, 0)
}

// SignalGroup sends a signal to the program's process group, as a terminal does: to the
// program and to what it has started and not put into another group.
func (c *Cmd) SignalGroup(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return errors.New("unboot: unsupported signal type")
	}
	return c.kill(s, lkl.KILL_GROUP)
}

// Kill ends the program and all that it has started at once. It does not wait for that.
func (c *Cmd) Kill() error { return c.kill(syscall.SIGKILL, lkl.KILL_ALL) }

func (c *Cmd) kill(sig syscall.Signal, flags int) error {
	if c.program == nil {
		return errors.New("unboot: command was not started")
	}
	err := c.program.Kill(sig, flags)
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// Output runs the command and returns its standard output. If Stderr is nil, what the program
// has written there is in the [ExitError], the beginning and the end if it is much.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("unboot: Stdout already set")
	}
	var stdout bytes.Buffer
	c.Stdout = &stdout
	var tail *ends
	if c.Stderr == nil && c.Tty == nil {
		tail = &ends{}
		c.Stderr = tail
	}
	err := c.Run()
	if e, ok := errors.AsType[*ExitError](err); ok && tail != nil {
		e.Stderr = tail.bytes()
	}
	return stdout.Bytes(), err
}

// CombinedOutput runs the command and returns its standard output and standard error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("unboot: Stdout already set")
	}
	if c.Stderr != nil {
		return nil, errors.New("unboot: Stderr already set")
	}
	var b bytes.Buffer
	c.Stdout = &b
	if c.Tty == nil {
		c.Stderr = &b
	}
	err := c.Run()
	return b.Bytes(), err
}
