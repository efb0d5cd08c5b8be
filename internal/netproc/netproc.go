// Package netproc is package usernet in a process of its own. The commands that have no
// network do not pay for the initialization of a TCP/IP, and what a guest sends is parsed by a
// process that holds no image, sees no file of the host but resolv.conf(5), and can accept no
// connection, where the host has Landlock.
package netproc

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/landlock"
	"github.com/unboot/unboot/internal/netproc/wire"
)

//go:embed all:image
var files embed.FS

// program is the name of the embedded program, and Variable that of the environment variable
// with the path of another one.
const (
	program  = "image/network.zst"
	Variable = "UNBOOT_NETWORK"
)

// ErrMissing means that this program was built without the other one.
var ErrMissing = errors.New("this program was built without a network: see the Makefile")

// endTime is how long the process may take to end.
const endTime = 5 * time.Second

// A Network is what package unboot wants to have a network by. It can be served once.
type Network struct {
	hello  wire.Hello
	cmd    *exec.Cmd
	conn   *net.UnixConn
	stderr bytes.Buffer
	lines  chan struct{} // closed when all lines have been read
	once   sync.Once
	err    error // of close
}

// Start starts the process, with the rules of usernet.Config.Allow, and waits until it is
// ready. refused is called, from one goroutine, with what a guest may not connect to.
func Start(allow []string, refused func(wire.Refusal)) (*Network, error) {
	n := &Network{lines: make(chan struct{})}
	if err := n.start(allow, refused); err != nil {
		return nil, fmt.Errorf("starting the network: %w", err)
	}
	return n, nil
}

func (n *Network) start(allow []string, refused func(wire.Refusal)) error {
	file, err := executable()
	if err != nil {
		return err
	}
	defer file.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "network")
	defer theirs.Close()
	if n.conn, err = wire.Conn(pair[0]); err != nil {
		return err
	}
	n.cmd = exec.Command(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), allow...)
	n.cmd.Env = []string{"GOMAXPROCS=2"}
	n.cmd.Dir = "/"
	n.cmd.ExtraFiles = []*os.File{theirs}
	n.cmd.Stderr = &limited{b: &n.stderr, n: 64 << 10}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		n.conn.Close()
		return err
	}
	if err := startConfined(n.cmd); err != nil {
		n.conn.Close()
		return err
	}
	lines := json.NewDecoder(out)
	err = lines.Decode(&n.hello)
	if err == nil && n.hello.Error != "" {
		err = errors.New(n.hello.Error)
	}
	go func() {
		defer close(n.lines)
		for err == nil {
			var r wire.Refusal
			if lines.Decode(&r) != nil {
				return
			}
			refused(r)
		}
	}()
	if err != nil {
		if cerr := n.close(); errors.Is(err, io.EOF) && cerr != nil {
			return cerr
		}
	}
	return err
}

// startConfined starts the process from a thread that is confined, and ends with it.
func startConfined(cmd *exec.Cmd) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := landlock.Restrict(landlock.Rules{Read: []string{"/etc/resolv.conf", os.DevNull}, Connect: true})
		if err == nil || errors.Is(err, landlock.ErrUnsupported) {
			err = cmd.Start()
		}
		done <- err
	}()
	return <-done
}

// image returns the program's bytes.
func image() ([]byte, error) {
	if path := os.Getenv(Variable); path != "" {
		return os.ReadFile(path)
	}
	packed, err := files.ReadFile(program)
	if err != nil {
		return nil, ErrMissing
	}
	r, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return r.DecodeAll(packed, nil)
}

// executable returns the program, as a file that Landlock knows nothing of.
func executable() (*os.File, error) {
	b, err := image()
	if err != nil {
		return nil, err
	}
	const exec = 0x10 // MFD_EXEC, which hosts before Linux 6.3 do not know
	fd, err := unix.MemfdCreate("unboot-network", unix.MFD_CLOEXEC|exec)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate("unboot-network", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "unboot-network")
	if _, err := f.Write(b); err != nil {
		f.Close()
		return nil, err
	}
	// Open for writing it could not be executed.
	again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
	f.Close()
	if err != nil {
		return nil, err
	}
	return moveUp(again)
}

// moveUp moves a descriptor out of the way of those that the process is given before it
// executes this one by its number.
func moveUp(f *os.File) (*os.File, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 16)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// limited keeps the first n bytes that are written to it.
type limited struct {
	b *bytes.Buffer
	n int
}

func (l *limited) Write(p []byte) (int, error) {
	l.b.Write(p[:min(len(p), l.n-l.b.Len())])
	return len(p), nil
}

// Addresses, Gateways, MTU and ResolvConf are as usernet.Network has them.
func (n *Network) Addresses() []netip.Prefix { return n.hello.Addresses }

// Gateways returns where default routes lead.
func (n *Network) Gateways() []netip.Addr { return n.hello.Gateways }

// MTU returns the largest packet, in bytes.
func (n *Network) MTU() int { return n.hello.MTU }

// ResolvConf returns the content of resolv.conf(5).
func (n *Network) ResolvConf() []byte { return n.hello.Resolv }

// Serve carries packets until reading from link fails, and returns when the process has
// ended. If it ends by itself, Serve goes on reading, as nobody would else, and returns why
// it did.
func (n *Network) Serve(ctx context.Context, link io.ReadWriter) error {
	back := make(chan struct{})
	go func() {
		defer close(back)
		buf := make([]byte, n.hello.MTU)
		for {
			size, err := n.conn.Read(buf)
			if err != nil || size == 0 {
				return
			}
			link.Write(buf[:size]) // what it does not take is lost
		}
	}()
	buf := make([]byte, n.hello.MTU)
	for {
		size, err := link.Read(buf)
		if err != nil {
			if cerr := n.close(); cerr != nil {
				err = errors.Join(err, cerr)
			}
			<-back
			return err
		}
		n.conn.Write(buf[:size])
	}
}

// Close ends the process.
func (n *Network) Close() error { return n.close() }

// close ends the process, and says so if it had ended by itself.
func (n *Network) close() error {
	n.once.Do(func() {
		n.conn.Close() // which it notices
		t := time.AfterFunc(endTime, func() { n.cmd.Process.Kill() })
		defer t.Stop()
		<-n.lines
		if err := n.cmd.Wait(); err != nil {
			n.err = fmt.Errorf("the network's process: %w", err)
			if s := bytes.TrimSpace(n.stderr.Bytes()); len(s) > 0 {
				n.err = fmt.Errorf("%w: %s", n.err, s)
			}
		}
	})
	return n.err
}
