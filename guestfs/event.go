package guestfs

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Events, of which a mask says which a callback is for. Their numbers are those of C.
const (
	EVENT_CLOSE           uint64 = 1 << iota // the handle is closed
	EVENT_SUBPROCESS_QUIT                    // the engine has ended by itself, or by Shutdown
	EVENT_LAUNCH_DONE                        // the engine is ready
	EVENT_PROGRESS                           // array: procedure, serial number, position, total
	EVENT_APPLIANCE                          // buf: what the engine's kernel, or qemu, says
	EVENT_LIBRARY                            // buf: a message of this package, if verbose
	EVENT_TRACE                              // buf: a line of the trace
	EVENT_ENTER                              // buf: the name of the function that is called
	EVENT_LIBVIRT_AUTH                       // never
	EVENT_WARNING                            // buf: a warning

	EVENT_ALL uint64 = 1<<iota - 1
)

var eventNames = []string{
	"close", "subprocess_quit", "launch_done", "progress", "appliance", "library", "trace", "enter", "libvirt_auth", "warning",
}

// EventCallback is called when an event happens, in the goroutine that it happens in. Of
// a method that reaches the engine nothing but [Guestfs.User_cancel] may be called on
// the handle while it is. handle is the one that [Guestfs.Set_event_callback] has returned.
type EventCallback func(g *Guestfs, event uint64, handle int, buf string, array []uint64)

type callback struct {
	handle int
	mask   uint64
	f      EventCallback
}

// Set_event_callback has a function called for the events of a mask, and returns a handle
// by which [Guestfs.Delete_event_callback] knows it. The official binding has no events;
// this follows guestfs_set_event_callback of C.
func (g *Guestfs) Set_event_callback(f EventCallback, mask uint64) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return -1, toError("set_event_callback", errClosed)
	}
	handle := g.handles
	g.handles++
	g.callbacks = append(slices.Clone(g.callbacks), callback{handle, mask, f})
	return handle, nil
}

// Delete_event_callback takes back what Set_event_callback has set. A handle that is not
// one is ignored.
func (g *Guestfs) Delete_event_callback(handle int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.callbacks = slices.DeleteFunc(slices.Clone(g.callbacks), func(c callback) bool { return c.handle == handle })
	return nil
}

// Event_to_string returns the names of the events of a mask, separated by commas.
func Event_to_string(mask uint64) (string, error) {
	var l []string
	for i, name := range eventNames {
		if mask&(1<<i) != 0 {
			l = append(l, name)
		}
	}
	if mask&^EVENT_ALL != 0 {
		return "", toError("event_to_string", errorf(0, "unknown event in %#x", mask))
	}
	return strings.Join(l, ","), nil
}

// emit calls the callbacks of an event and reports whether there are any.
func (g *Guestfs) emit(event uint64, buf string, array []uint64) bool {
	g.mu.Lock()
	callbacks := g.callbacks
	g.mu.Unlock()
	called := false
	for _, c := range callbacks {
		if c.mask&event != 0 {
			c.f(g, event, c.handle, buf, array)
			called = true
		}
	}
	return called
}

// message emits a line, or prints it on stderr if there is no listener.
func (g *Guestfs) message(event uint64, text string) {
	if g.emit(event, text, nil) {
		return
	}
	prefix := "libguestfs: "
	switch event {
	case EVENT_TRACE:
		prefix += "trace: "
	case EVENT_WARNING:
		prefix += "warning: "
	case EVENT_APPLIANCE:
		prefix = ""
	}
	fmt.Fprintf(os.Stderr, "%s%s\n", prefix, strings.TrimSuffix(text, "\n"))
}

// debugf emits a message if the handle is verbose.
func (g *Guestfs) debugf(format string, args ...any) {
	if get(g, &g.settings.verbose) {
		g.message(EVENT_LIBRARY, fmt.Sprintf(format, args...))
	}
}
