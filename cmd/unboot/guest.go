package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// What a shell ends with for a program that was found and not executed, and for one that was
// not found.
const (
	exitNotExecuted = 126
	exitNoProgram   = 127
)

// A statusError ends unboot with the exit status of a program. There is nothing to be said of
// it, or that was said.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// A guestRun is a program that exec, shell or tool run with an image's kernel as its own.
type guestRun struct {
	readOnly  bool
	tty       bool
	user, dir string
	env       []string
	binds     []bindSpec
	memory    int64
	cpuTime   time.Duration
	processes int
	network   networking
}

// options declares the options that all three have.
func (g *guestRun) options(f *flagSet) {
	f.list(&g.env, "e", "env", "NAME[=VALUE]", "set a variable, or pass on one of the host")
	f.binds(&g.binds)
	f.bool(&g.readOnly, "r", "read-only", "the program can change nothing")
	f.size(&g.memory, "", "memory", "SIZE", "memory of all its processes together (default 4G)")
	f.duration(&g.cpuTime, "", "cpu-time", "TIME", "processor time of each process")
	f.integer(&g.processes, "", "processes", "N", "how many processes and threads there can be")
	g.network.options(f)
}

// parseProgram accepts an image with options, and the command line of a program, whose words
// are its own.
func parseProgram(f *flagSet, args []string) ([]string, error) { return f.parseBefore(args, 1) }

// prepare checks the options, before the image is opened, and starts what the program needs
// besides, which stop ends.
func (g *guestRun) prepare(a *app) (stop func(), err error) {
	for _, v := range g.env {
		if name, _, _ := strings.Cut(v, "="); name == "" {
			return nil, badUsage("--env %s: no name", quote(v))
		}
	}
	a.opts.programs = g.memory
	if a.opts.cpu < 0 {
		a.opts.cpu = 0 // a program may take as long as it does
	}
	return g.network.start(a)
}

// timeoutGrace is how much longer than the program the kernel has: what the program has
// written until then is to reach the disk.
const timeoutGrace = time.Minute

// context returns the context of the program, which --timeout ends before it ends the kernel.
func (g *guestRun) context(a *app) (context.Context, context.CancelFunc) {
	limit := a.opts.timeout
	if limit <= 0 {
		return context.WithCancel(a.life)
	}
	a.opts.timeout += timeoutGrace
	return context.WithTimeoutCause(a.life, limit, &timeoutError{limit})
}

// run runs a program with this one's streams, and returns what to end with.
func (g *guestRun) run(a *app, c *unboot.Cmd, ctx context.Context) error {
	if _, err := a.stdout(); err != nil {
		return err
	}
	c.Dir, c.User, c.CPUTime, c.Processes = g.dir, g.user, g.cpuTime, g.processes
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, b := range g.binds {
		c.Mounts = append(c.Mounts, unboot.Bind(b.host, b.guest, b.write))
	}
	env := g.env
	if g.tty {
		size := terminalSize(os.Stdin, os.Stdout, os.Stderr)
		c.Tty, c.Stderr = &size, nil
		env = append([]string{"TERM"}, env...)
	}
	if len(env) > 0 {
		c.Env = c.Environ()
		for _, v := range env {
			if !strings.Contains(v, "=") {
				value, ok := os.LookupEnv(v)
				if !ok {
					continue
				}
				v += "=" + value
			}
			c.Env = append(c.Env, v)
		}
	}
	// From now on, signals are the program's: what it does about them ends this one.
	a.handOverSignals()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGWINCH, syscall.SIGPIPE)
	if err := c.Start(); err != nil {
		return timedOut(ctx, g.startError(c, err))
	}
	if g.tty {
		defer rawTerminal(os.Stdin)()
	}
	done := make(chan struct{})
	defer close(done)
	go g.passSignals(c, signals, done)
	return g.endError(ctx, c.Wait())
}

// maxSignals is how often a signal is passed on that is to end a program. Then the program is
// killed.
const maxSignals = 3

// passSignals passes on what this process gets to the process group of the program.
func (g *guestRun) passSignals(c *unboot.Cmd, signals <-chan os.Signal, done <-chan struct{}) {
	n := 0
	for {
		select {
		case <-done:
			return
		case s := <-signals:
			switch s {
			case syscall.SIGPIPE: // of our own output, which the program notices by itself
			case syscall.SIGWINCH:
				if g.tty {
					c.SetWinsize(terminalSize(os.Stdin, os.Stdout, os.Stderr))
				}
			case os.Interrupt, syscall.SIGTERM, syscall.SIGHUP:
				if n++; n > maxSignals {
					c.Kill()
					continue
				}
				c.SignalGroup(s)
			default:
				c.SignalGroup(s)
			}
		}
	}
}

// startError says why a program was not started, and chooses the status.
func (g *guestRun) startError(c *unboot.Cmd, err error) error {
	var pe *fs.PathError
	var le *exec.Error
	switch {
	case errors.As(err, &le) && errors.Is(le.Err, exec.ErrNotFound):
		return &programError{exitNoProgram, fmt.Errorf("%s: no such program in PATH", quote(le.Name))}
	case errors.As(err, &le):
		return &programError{exitNotExecuted, fmt.Errorf("%s: %w", quote(le.Name), le.Err)}
	case errors.As(err, &pe) && pe.Op == "exec" && errors.Is(err, unix.ENOENT):
		return &programError{exitNoProgram, fmt.Errorf("%s: %w", quote(pe.Path), pe.Err)}
	case errors.As(err, &pe) && pe.Op == "exec":
		return &programError{exitNotExecuted, fmt.Errorf("%s: %w", quote(pe.Path), pe.Err)}
	}
	return err
}

// timedOut returns an error, or, if --timeout has ended the context, that.
func timedOut(ctx context.Context, err error) error {
	var timeout *timeoutError
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &timeout) {
		return timeout
	}
	return err
}

// A programError is an error with a status of its own.
type programError struct {
	code int
	error
}

func (e *programError) Unwrap() error { return e.error }

// endError makes of a program's end what to end with.
func (g *guestRun) endError(ctx context.Context, err error) error {
	var exit *unboot.ExitError
	if !errors.As(err, &exit) || timedOut(ctx, nil) != nil {
		return timedOut(ctx, err)
	}
	code := exit.ExitCode()
	if s := exit.Signal(); s != 0 {
		code = 128 + int(s)
	}
	if err == error(exit) {
		return &statusError{code}
	}
	// What could not be written to the disk, besides.
	return &programError{code, err}
}
