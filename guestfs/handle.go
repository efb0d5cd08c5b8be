package guestfs

import (
	"context"
	"runtime"
	"sync"
	"syscall"
)

// Guestfs is a handle: some drives and, once launched, the engine that has them open.
// Its methods may be called from several goroutines; those that reach the engine wait
// for each other.
type Guestfs struct {
	settings settings

	mu        sync.Mutex // guards what follows
	closed    bool
	state     state
	drives    []drive
	session   session
	temp      string // directory for files of the handle, or ""
	callbacks []callback
	handles   int // of event callbacks, so far
	transfers map[*request]context.CancelCauseFunc
	last      *GuestfsError
}

// state is where a handle is between Create and Close, with the numbers of
// guestfs_get_state.
type state int

const (
	configuring state = iota
	launching
	ready
)

// CreateFlags are the flags of [Create_flags].
type CreateFlags uint

const (
	// CREATE_NO_ENVIRONMENT leaves out [Guestfs.Parse_environment].
	CREATE_NO_ENVIRONMENT CreateFlags = 1 << iota

	// CREATE_NO_CLOSE_ON_EXIT changes nothing: a Go program that exits closes no
	// handles.
	CREATE_NO_CLOSE_ON_EXIT
)

// Create returns a new handle.
func Create() (*Guestfs, error) { return Create_flags(0) }

// Create_flags returns a new handle. A handle that is not closed is when the garbage
// collector finds it; programs should not rely on that.
func Create_flags(flags CreateFlags) (*Guestfs, error) {
	g := &Guestfs{settings: defaults(), transfers: map[*request]context.CancelCauseFunc{}}
	if flags&CREATE_NO_ENVIRONMENT == 0 {
		if err := g.parseEnvironment(); err != nil {
			return nil, toError("create", err)
		}
	}
	runtime.SetFinalizer(g, func(g *Guestfs) { g.Close() })
	return g, nil
}

// String returns a constant.
func (g *Guestfs) String() string { return "&Guestfs{}" }

// Close ends the handle: as [Guestfs.Shutdown], if it is launched. An error says that
// something that was written may not be in the images. Closing again is an error.
//
// The type is the official binding's, which programs are written for. Compare it with
// nil as it is: kept in a variable of the type error, also a nil of it is not nil.
func (g *Guestfs) Close() *GuestfsError {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return &GuestfsError{Op: "close", Errmsg: errClosed.Error()}
	}
	g.closed = true
	g.mu.Unlock()
	runtime.SetFinalizer(g, nil)
	err := g.end()
	g.mu.Lock()
	temp := g.temp
	g.temp = ""
	g.mu.Unlock()
	if e := removeTemp(temp); err == nil {
		err = e
	}
	g.emit(EVENT_CLOSE, "", nil)
	if err = toError("close", err); err != nil {
		return err.(*GuestfsError)
	}
	return nil
}

// end ends the session, if there is one.
func (g *Guestfs) end() error {
	g.mu.Lock()
	s := g.session
	g.session, g.state, g.drives = nil, configuring, nil
	g.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.end(get(g, &g.settings.autosync))
}

// lost is called when a session has ended by itself.
func (g *Guestfs) lost(s session) {
	g.mu.Lock()
	was := g.session == s
	if was {
		g.session, g.state = nil, configuring
	}
	g.mu.Unlock()
	if was {
		s.end(false)
		g.emit(EVENT_SUBPROCESS_QUIT, "", nil)
	}
}

// Last_error returns the text of the last error of the handle, or "".
func (g *Guestfs) Last_error() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last == nil {
		return ""
	}
	return g.last.Errmsg
}

// Last_errno returns the errno of the last error of the handle, or 0.
func (g *Guestfs) Last_errno() syscall.Errno {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.last == nil {
		return 0
	}
	return g.last.Errno
}

func (g *Guestfs) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}
