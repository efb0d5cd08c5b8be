package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/internal/augeas"
	"github.com/unboot/unboot/internal/devname"
	"github.com/unboot/unboot/internal/fsctl/btrfs"
)

// Config says what a Server serves.
type Config struct {
	Drives []Drive // in the order of their names: /dev/sda, /dev/sdb, …

	// Log gets a line for each call and more, if programs want to see it
	// (LIBGUESTFS_DEBUG). May be nil.
	Log func(line string)
	// Tell gets what the user of a program should know, and programs do not pass on.
	// May be nil.
	Tell func(text string)
	// Network is whether programs have a network, as far as UNBOOT_NETWORK_ALLOW says.
	Network bool
	// Console, if it is not nil, is what the shell of virt-rescue(1) runs on.
	Console *Console
}

// Server answers procedures. Its exported methods are those of procedures, but for
// Serve and Close.
type Server struct {
	config     Config
	procedures []procedure // what answers each procedure, by number, or nil
	engine     engine
	store      store
	cpu        cpuLimit

	// What calls change, which come one at a time.
	trees   []*unboot.FS // what is mounted on /, the last on top of those before
	umask   uint32
	inotify inotify
	hivex   hivex
	aug     *augeas.Handle                     // nil if not open
	roots   []*inspect.Root                    // what inspect_os has found
	scrubs  map[btrfs.UUID]btrfs.ScrubProgress // results
	journal journals
	told    bool // that programs of the guest cannot run
	// yaraRules are what files are scanned by, or nil.
	yaraRules []byte
	hangUp    func() // ends the connection
	// lvmFilter has the devices that LVM sees, or is nil if it sees all.
	lvmFilter []string
	rescue    *rescue // nil without a shell
}

// New looks at the drives and returns a server for them. Its errors are those that a
// program should see when it launches: a disk that is not there, a format that is not
// known.
func New(c Config) (*Server, error) {
	s := &Server{config: c, procedures: procedures(), umask: 0o022, rescue: newRescue(c.Console)}
	if err := s.cpu.parse(); err != nil {
		return nil, err
	}
	for i, d := range c.Drives {
		if err := checkDrive(d); err != nil {
			return nil, fmt.Errorf("drive %s: %w", devname.Disk(i), err)
		}
	}
	if err := s.dial(); err != nil {
		return nil, errors.Join(err, s.store.close())
	}
	return s, nil
}

// Serve answers the calls that come over a connection until the library closes it or
// ctx ends, or the shell of virt-rescue has ended.
func (s *Server) Serve(ctx context.Context, rw io.ReadWriteCloser) error {
	if len(s.config.Drives) > 0 {
		go s.image() // the first call that needs it finds it there
	}
	s.hangUp = func() { rw.Close() }
	p := &protocol.Server{Handler: dispatcher{s}, Panic: func(v any, stack []byte) {
		s.logf("panic: %v\n%s", v, stack)
	}}
	if s.rescue != nil {
		return s.serveRescue(ctx, p, rw)
	}
	return p.Serve(ctx, rw)
}

// Close makes stable what was written and gives up the drives.
func (s *Server) Close() error {
	// Whoever is opening the drives has to be through; nobody begins any more.
	s.engine.once.Do(func() { s.engine.err = errorf("the server is closed") })
	s.releaseFiles()
	s.closeAug()
	return s.store.close()
}

func (s *Server) logf(format string, args ...any) {
	if s.config.Log != nil {
		s.config.Log(fmt.Sprintf(format, args...))
	}
}

// tell tells the user, or who reads the log where users are not told of anything.
func (s *Server) tell(text string) {
	if s.config.Tell != nil {
		s.config.Tell(text)
	} else {
		s.logf("%s", text)
	}
}

// store is what the server has opened: the seam for what mounts and writes.
type store struct {
	mu     sync.Mutex
	syncs  []func() error // guarded by mu; make stable what was written
	closes []func() error // guarded by mu; called in reverse order
}

// onSync registers what has to be done so that everything written is in the images.
func (st *store) onSync(f func() error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.syncs = append(st.syncs, f)
}

// onClose registers what has to be done at the end, in reverse order.
func (st *store) onClose(f func() error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.closes = append(st.closes, f)
}

func (st *store) sync() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	var first error
	for _, f := range st.syncs {
		if err := f(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (st *store) close() error {
	first := st.sync()
	st.mu.Lock()
	defer st.mu.Unlock()
	for i := len(st.closes) - 1; i >= 0; i-- {
		if err := st.closes[i](); err != nil && first == nil {
			first = err
		}
	}
	st.syncs, st.closes = nil, nil
	return first
}

// dispatcher gives calls to the methods of a server.
type dispatcher struct{ s *Server }

// Transfer implements protocol.Handler.
func (d dispatcher) Transfer(proc uint32) protocol.Transfer {
	if p := rpc.Lookup(proc); p != nil {
		return p.Transfer
	}
	return protocol.NoFile
}

// Handle implements protocol.Handler.
func (d dispatcher) Handle(ctx context.Context, pc *protocol.Call) error {
	p := rpc.Lookup(pc.Proc)
	if p == nil {
		return &protocol.Error{Name: "ENOTSUP", Message: fmt.Sprintf("unboot knows no procedure %d", pc.Proc)}
	}
	defer d.s.rescue.call(d.s)()
	c := &call{Call: pc, s: d.s, name: p.Name, group: p.Group}
	var err error
	if d.s.answers(pc.Proc) {
		d.s.cpu.begin()
		err = toWire(d.s.procedures[pc.Proc](context.WithValue(ctx, callKey{}, pc), c))
		if k := d.s.cpu.kernel.Load(); err != nil && k != nil {
			err = limitError(k.Err(), err)
		}
	} else {
		err = c.missing()
	}
	if d.s.config.Log != nil {
		d.s.logf("guestfsd: %s (%#x): %s", p.Name, pc.Proc, outcome(err))
	}
	return err
}

func outcome(err error) string {
	if err != nil {
		return err.Error()
	}
	return "ok"
}

type callKey struct{}

// progress tells the program how far the call of ctx is. Total 0 says that nobody knows.
func progress(ctx context.Context, position, total uint64) {
	if c, ok := ctx.Value(callKey{}).(*protocol.Call); ok {
		c.Progress(position, total)
	}
}

// progressHint returns the length of the file that comes in, or 0 if it is not known.
// It is what the program says, and may be wrong.
func progressHint(ctx context.Context) uint64 {
	if c, ok := ctx.Value(callKey{}).(*protocol.Call); ok {
		return c.ProgressHint
	}
	return 0
}
