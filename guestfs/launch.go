package guestfs

import (
	"context"
	"strings"
	"syscall"
	"weak"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// session is what a launch has started.
type session interface {
	protocol.Caller

	// end ends it: with sync, everything that was written is in the images when it
	// returns, or it says why not.
	end(sync bool) error

	// pid returns the number of its process, or 0 if it has none.
	pid() int
}

func (g *Guestfs) launch() error {
	g.mu.Lock()
	if g.state != configuring {
		g.mu.Unlock()
		return errorf(0, "the libguestfs handle has already been launched")
	}
	g.state = launching
	drives := g.drives
	g.mu.Unlock()
	backend := get(g, &g.settings.backend)
	g.debugf("launch: program=%s backend=%s", get(g, &g.settings.program), backend)
	var s session
	var err error
	switch {
	case backend == defaultBackend:
		s, err = g.launchEngine(drives)
	case backend == "direct":
		s, err = g.launchDirect(drives)
	default:
		s, err = g.launchSocket(strings.TrimPrefix(backend, "unix:"))
	}
	g.mu.Lock()
	g.state = configuring
	if err == nil && g.closed {
		err = errClosed
	}
	if err == nil {
		g.session, g.state = s, ready
	}
	g.mu.Unlock()
	if err != nil {
		if s != nil {
			s.end(false)
		}
		return err
	}
	g.emit(EVENT_LAUNCH_DONE, "", nil)
	return nil
}

// A session calls its handle through a weak pointer: a handle that nothing but its own
// session knows is to be closed by the garbage collector.

// progress returns what passes on how far a call is.
func (g *Guestfs) progress() func(protocol.Progress) {
	w := weak.Make(g)
	return func(p protocol.Progress) {
		if g := w.Value(); g != nil {
			g.emit(EVENT_PROGRESS, "", []uint64{uint64(p.Proc), uint64(p.Serial), p.Position, p.Total})
		}
	}
}

// applianceMessages returns what passes on what the engine says. It is printed only if the
// handle is verbose.
func (g *Guestfs) applianceMessages() func(string) {
	w := weak.Make(g)
	return func(line string) {
		g := w.Value()
		switch {
		case g == nil:
		case get(g, &g.settings.verbose):
			g.message(EVENT_APPLIANCE, line)
		default:
			g.emit(EVENT_APPLIANCE, line, nil)
		}
	}
}

// autosync has everything written that was.
func autosync(c protocol.Caller) error {
	err := c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcInternalAutosync})
	if err != nil {
		return errorf(protocol.Errno(err), "internal_autosync: %v", err)
	}
	return nil
}

func (g *Guestfs) shutdown() error {
	g.mu.Lock()
	launched := g.session != nil
	g.mu.Unlock()
	if !launched {
		return nil
	}
	err := g.end()
	g.emit(EVENT_SUBPROCESS_QUIT, "", nil)
	return err
}

func (g *Guestfs) killSubprocess() error { return g.shutdown() }

// waitReady is there for programs older than launch's way to wait.
func (g *Guestfs) waitReady() error {
	if ok, _ := g.isReady(); !ok {
		return errorf(0, "qemu has not been launched yet")
	}
	return nil
}

func (g *Guestfs) getState() (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int(g.state), nil
}

func (g *Guestfs) is(s state) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.state == s, nil
}

func (g *Guestfs) isConfig() (bool, error)    { return g.is(configuring) }
func (g *Guestfs) isLaunching() (bool, error) { return g.is(launching) }
func (g *Guestfs) isReady() (bool, error)     { return g.is(ready) }
func (g *Guestfs) isBusy() (bool, error)      { return false, nil }

// getPid returns the process of the machine; the engine in this program has none that
// would be of use.
func (g *Guestfs) getPid() (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.session == nil || g.session.pid() == 0 {
		return 0, errorf(syscall.ESRCH, "get_pid: no qemu subprocess")
	}
	return g.session.pid(), nil
}
