package guestfs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"weak"

	"github.com/unboot/unboot/guestfs/internal/protocol"
)

const (
	launchTimeout = 20 * time.Minute // for a machine without KVM that is busy
	endTimeout    = 30 * time.Second
)

// process is a virtual machine, or what stands for one, and the daemon in it.
type process struct {
	*protocol.Client
	cmd    *exec.Cmd // nil if the daemon was there before us
	dir    string    // with the socket
	exited chan struct{}
	heard  chan struct{} // closed when all that it has said was passed on
	err    error         // set when exited is closed: how it ended
	tail   tail
}

// launchDirect starts the program that the handle names as qemu is started by libguestfs,
// and waits for its daemon.
func (g *Guestfs) launchDirect(drives []drive) (session, error) {
	m, err := g.machine(drives)
	if err != nil {
		return nil, err
	}
	base, _ := g.getSockdir()
	dir, err := os.MkdirTemp(base, "libguestfs")
	if err != nil {
		return nil, pathError(err)
	}
	p := &process{dir: dir, exited: make(chan struct{})}
	m.socket = filepath.Join(dir, "guestfsd.sock")
	if err := g.start(p, m); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

func (g *Guestfs) machine(drives []drive) (*machine, error) {
	if len(drives) == 0 {
		return nil, errorf(0, "you must add drives before launch")
	}
	a, err := g.findAppliance()
	if err != nil {
		return nil, err
	}
	tcg, _ := g.getBackendSetting("force_tcg")
	s := &g.settings
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &machine{
		appliance: a, drives: drives, memsize: s.memsize, smp: s.smp, network: s.network, verbose: s.verbose,
		tcg: tcg == "1", identifier: s.identifier, parameters: s.parameters,
	}
	if s.append != nil {
		m.append = *s.append
	}
	return m, nil
}

// start starts the process and waits until it is ready.
func (g *Guestfs) start(p *process, m *machine) error {
	args, err := m.args()
	if err != nil {
		return err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: m.socket})
	if err != nil {
		return errorf(protocol.Errno(err), "%v", err)
	}
	defer l.Close()
	hv := get(g, &g.settings.hv)
	g.debugf("launch: %s %s", hv, strings.Join(args, " "))
	p.cmd = exec.Command(hv, args...)
	p.cmd.Env = append(os.Environ(), "LC_ALL=C", "QEMU_AUDIO_DRV=none")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: get(g, &g.settings.pgroup),
	}
	if get(g, &g.settings.recovery) {
		p.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	console, w := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = w, w
	p.heard = make(chan struct{})
	go func() {
		p.console(console, g.applianceMessages())
		close(p.heard)
	}()
	if err := p.run(w); err != nil {
		return errorf(protocol.Errno(err), "%s: %v", hv, err)
	}
	if err := p.connect(g, l); err != nil {
		p.kill()
		return err
	}
	handle := weak.Make(g)
	go func() {
		<-p.exited
		if g := handle.Value(); g != nil {
			g.lost(p)
		}
	}()
	return nil
}

// console passes on what the machine says.
func (p *process) console(r io.Reader, say func(string)) {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadSlice('\n')
		if len(line) > 0 {
			p.tail.add(string(line))
			say(string(line))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// run starts the command and has a goroutine wait for its end. A child dies with the
// thread that has started it (PR_SET_PDEATHSIG), so that thread stays.
func (p *process) run(console *io.PipeWriter) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			console.Close()
			return
		}
		p.err = p.cmd.Wait()
		console.Close()
		close(p.exited)
	}()
	return <-started
}

// connect waits for the daemon.
func (p *process) connect(g *Guestfs, l *net.UnixListener) error {
	ctx, cancel := context.WithTimeout(context.Background(), launchTimeout)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-p.exited:
		case <-ctx.Done():
		case <-stop:
			return
		}
		cancel()
		l.Close()
	}()
	conn, err := l.AcceptUnix()
	if err == nil {
		p.Client = protocol.NewClient(conn)
		p.Client.Progress = g.progress()
		if err = p.Client.WaitLaunch(ctx); err != nil {
			p.Client.Close()
		}
	}
	if err == nil {
		return nil
	}
	select {
	case <-p.exited:
		// Its last words may still be on their way, unless the program that
		// listens to them is in no hurry.
		select {
		case <-p.heard:
		case <-time.After(time.Second):
		}
		return errorf(0, "guestfs_launch failed: the machine has ended (%v):\n%s", p.err, p.tail.text())
	default:
		return errorf(protocol.Errno(err), "guestfs_launch failed: %v:\n%s", err, p.tail.text())
	}
}

// launchSocket connects to a daemon that another program has started.
func (g *Guestfs) launchSocket(path string) (session, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path})
	if err != nil {
		return nil, errorf(protocol.Errno(err), "%v", err)
	}
	p := &process{Client: protocol.NewClient(conn), exited: make(chan struct{})}
	close(p.exited)
	p.Client.Progress = g.progress()
	ctx, cancel := context.WithTimeout(context.Background(), launchTimeout)
	defer cancel()
	if err := p.Client.WaitLaunch(ctx); err != nil {
		p.Client.Close()
		return nil, errorf(0, "%s: %v", path, err)
	}
	return p, nil
}

// end implements session.
func (p *process) end(sync bool) error {
	var err error
	if sync {
		err = autosync(p)
	}
	if p.cmd != nil {
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
			if err == nil && sync && p.err != nil {
				err = errorf(0, "the machine has ended badly: %v", p.err)
			}
		case <-time.After(endTimeout):
			p.kill()
			err = errors.Join(err, fmt.Errorf("the machine did not end in %v", endTimeout))
		}
		os.RemoveAll(p.dir)
	}
	p.Client.Close()
	return err
}

// kill ends the process and waits for its end.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// pid implements session.
func (p *process) pid() int {
	if p.cmd == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// tail keeps the last lines that a machine has said.
type tail struct {
	mu    sync.Mutex // guards lines
	lines []string
}

const tailLines = 20

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	if len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "")
}
