package server

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/internal/hosttool"
)

// # The rescue shell
//
// virt-rescue(1) wants a machine in which a shell runs on the console, beside the daemon. That
// is a shell of the host on the image's kernel, as any tool. It sees in [treePlace] what is
// mounted, and from then on that is the only place where it is: the shell can unmount it, to
// check a file system for example. See [stage]. When the shell ends, so does the machine.

// A Console is the terminal of the machine's user.
type Console struct {
	In  *os.File  // what is typed
	Out io.Writer // shows what is written to it; lines end with "\r\n"
	// Term is what kind of terminal it is, for terminfo(5), or "".
	Term string
	// Ready reports whether the user's program shows the console: before that, it mounts what
	// the shell is to see. It is nil if that cannot be known.
	Ready func() bool
	// Size returns its size, which may be 0, and Resized says that it is another. Both may be nil.
	Size    func() unboot.Winsize
	Resized <-chan os.Signal
}

// quiet is how long no procedure has been called when the shell starts, where nothing else says
// that it is time.
const quiet = 500 * time.Millisecond

// shellGrace bounds how long the end of the shell waits for a terminal that takes nothing.
const shellGrace = 5 * time.Second

// rescue is what a server with a shell has besides.
type rescue struct {
	console *Console
	kill    func()        // ends the shell
	ended   chan struct{} // closed when there is no shell any more
	err     error         // what went wrong: constant when ended is closed

	mu      sync.Mutex // held while a procedure is answered
	stage   stage
	called  time.Time // when the last procedure was answered
	running bool      // the shell has begun
	binds   []string  // what the shell is to mount first: see bind
}

func newRescue(c *Console) *rescue {
	if c == nil {
		return nil
	}
	return &rescue{console: c, kill: func() {}, ended: make(chan struct{}), called: time.Now()}
}

// serveRescue answers calls until the library closes the connection, ctx ends, or the shell
// does.
func (s *Server) serveRescue(ctx context.Context, p *protocol.Server, rw io.ReadWriteCloser) error {
	r := s.rescue
	serving, stop := context.WithCancel(ctx)
	defer stop()
	shell, kill := context.WithCancel(ctx)
	defer kill()
	r.kill = kill
	go func() {
		defer close(r.ended)
		r.err = s.runShell(shell)
		if shell.Err() == nil {
			stop()
		}
	}()
	err := p.Serve(serving, rw)
	failed := s.endShell()
	if ctx.Err() == nil && serving.Err() != nil {
		return failed
	}
	return err
}

// endShell ends the shell, if there is one, and all that it has started. What it has mounted
// for itself is unmounted then. The error is that of [Server.runShell].
func (s *Server) endShell() error {
	r := s.rescue
	if r == nil {
		return nil
	}
	r.kill()
	<-r.ended
	return r.err
}

// call notes that a procedure is called. returned is to be called when it has been answered.
func (r *rescue) call(s *Server) (returned func()) {
	if r == nil {
		return func() {}
	}
	r.mu.Lock()
	if r.running {
		s.devicesChanged() // by the shell, for all that is known
	}
	return func() {
		if err := r.stage.follow(s.trees); err != nil {
			s.logf("what is mounted, for the shell: %v", err)
		}
		r.called = time.Now()
		r.mu.Unlock()
	}
}

// settle waits until it is time for the shell, and returns with mu locked. It is false if ctx
// ends before that.
func (r *rescue) settle(ctx context.Context) bool {
	for {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return false
		}
		if !r.mu.TryLock() { // a procedure may wait for this to end
			continue
		}
		if ready := r.console.Ready; ready != nil && ready() || ready == nil && time.Since(r.called) >= quiet {
			return true
		}
		r.mu.Unlock()
	}
}

// handOver leaves to the shell alone what is mounted, and returns what it is to mount itself.
//
// Preconditions: mu is held.
func (r *rescue) handOver(s *Server) (binds []string) {
	r.running = true
	for _, f := range slices.Backward(s.trees) {
		if err := f.Unmount(); err != nil {
			r.console.say("\n" + err.Error() + "\n") // the shell may be what helps
		}
	}
	s.trees, r.stage.now = nil, nil
	return r.binds
}

// bind has the shell mount a directory of its own on that of the tree before all else, if that
// is what a command line of debug is about and there is still time. virt-rescue has the daemon
// do so with the /dev, /proc and /sys that are the shell's, too, in its appliance.
//
// Preconditions: mu is held.
func (r *rescue) bind(args []string) bool {
	if r == nil || r.running || len(args) != 4 || args[0] != "mount" || args[1] != "--rbind" || args[3] != treePlace+args[2] {
		return false
	}
	r.binds = append(r.binds, args[2])
	return true
}

const welcome = `
------------------------------------------------------------

Welcome to virt-rescue, on the kernel of unboot.

Programs are those of this host, whose disks and files are not
to be seen. The disks that were added are in /dev, and what of
them is mounted in /sysroot: "chroot /sysroot" enters a system.

`

const farewell = "\nvirt-rescue: writing everything to the disks ...\n"

// say shows a text.
func (c *Console) say(text string) {
	io.WriteString(c.Out, strings.ReplaceAll(text, "\n", "\r\n"))
}

// shells are the programs that may be the shell, in the order of preference.
var shells = []string{"bash", "sh"}

// shellScript mounts what its arguments after the first say, and becomes the shell that the
// first names.
const shellScript = `shell=$1; shift; for d; do mount --rbind "$d" "` + treePlace + `$d"; done 2>/dev/null; exec "$shell"`

// runShell runs the shell until it ends or ctx does. With what status it ends is nobody's
// business, but what the disks did not take is.
func (s *Server) runShell(ctx context.Context) error {
	r := s.rescue
	if !r.settle(ctx) {
		return nil
	}
	img, err := s.image()
	var binds []string
	if err == nil {
		binds = r.handOver(s)
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(shells, func(name string) bool { return hosttool.Has(name) })
	if i < 0 {
		return missingTool(&hosttool.MissingError{Name: shells[0]})
	}
	c := img.ToolContext(ctx, "sh", append([]string{"-c", shellScript, "sh", shells[i]}, binds...)...)
	c.Env = append(c.Environ(), "HOME=/root", "PS1=><rescue> ")
	if r.console.Term != "" {
		c.Env = append(c.Env, "TERM="+r.console.Term)
	}
	c.Mounts = []unboot.CmdMount{{Target: treePlace, Open: r.stage.open}}
	c.Stdin, c.Stdout, c.Tty = r.console.In, r.console.Out, &unboot.Winsize{}
	c.WaitDelay = shellGrace
	if r.console.Size != nil {
		*c.Tty = r.console.Size()
	}
	r.console.say(welcome)
	if err := c.Start(); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return s.startError(c, err)
	}
	done := make(chan struct{})
	go r.console.resize(c, done)
	ended := c.Wait()
	close(done)
	if err := img.Kernel().Err(); err != nil {
		return err
	}
	if ctx.Err() == nil {
		r.console.say(farewell)
	}
	// The shell's status is nobody's, but not what a disk did not take of what it has mounted.
	if lost, ok := errors.AsType[*unboot.LogError](ended); ok {
		return errorf("not everything was written: %v", lost)
	}
	return nil
}

// resize tells a command the size of its terminal until done is closed.
func (c *Console) resize(to *unboot.Cmd, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-c.Resized:
			to.SetWinsize(c.Size())
		}
	}
}
