package usernet

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// connect answers a connection of the guest: it is accepted when the one that this
// process makes for it has been, and refused if that was.
func (s *session) connect(r *tcp.ForwarderRequest) {
	if !s.spawn(func() { s.forward(r) }) {
		r.Complete(false)
	}
}

// forward does the work of connect, to the connection's end.
func (s *session) forward(r *tcp.ForwarderRequest) {
	dst := destination(r.ID())
	dns := dst.Port() == 53 && (dst.Addr() == dns4 || dst.Addr() == dns6)
	if !s.conns.take() {
		r.Complete(false) // the guest asks again
		return
	}
	defer s.conns.give()
	var host *net.TCPConn
	if !dns {
		var err error
		if host, err = s.dial(dst); err != nil {
			r.Complete(true)
			return
		}
		defer host.Close()
	}
	var queue waiter.Queue
	end, terr := r.CreateEndpoint(&queue)
	r.Complete(terr != nil)
	if terr != nil {
		// The guest has given up, and has sent nothing whose end this could be.
		if host != nil {
			host.SetLinger(0)
		}
		return
	}
	end.SocketOptions().SetDelayOption(false) // who sends has waited already, if it wanted to
	guest := guestConn{gonet.NewTCPConn(&queue, end), end}
	defer guest.finish(s.ctx)
	if dns {
		s.serveStream(guest)
		return
	}
	join(s.ctx, guest, host)
}

// dial makes the connection of this process that stands for one of the guest.
func (s *session) dial(dst netip.AddrPort) (*net.TCPConn, error) {
	to, err := s.n.target(dst)
	if err != nil {
		s.refuse(dst, err)
		return nil, err
	}
	// Not DialTCP: it binds the socket, which Landlock forbids to a process that is not to listen.
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(s.ctx, "tcp", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// A guestConn is the guest's connection.
type guestConn struct {
	*gonet.TCPConn
	end tcpip.Endpoint
}

// abort resets the connection: the guest must not take for whole what it has got.
func (c guestConn) abort() { c.end.Abort() }

// failed reports whether the connection has been reset. Reading says so to one reader only,
// and that the connection has ended to all after it.
func (c guestConn) failed() bool { return tcp.EndpointState(c.end.State()) == tcp.StateError }

// finish closes the connection, and waits until the guest has taken the rest, or has had the
// time to.
func (c guestConn) finish(ctx context.Context) {
	c.Close()
	deadline := time.NewTimer(endTime)
	defer deadline.Stop()
	for wait := time.Millisecond; ; wait = min(2*wait, time.Second) {
		switch tcp.EndpointState(c.end.State()) {
		case tcp.StateTimeWait, tcp.StateClose, tcp.StateError:
			return
		}
		select {
		case <-ctx.Done():
			c.abort()
			return
		case <-deadline.C:
			c.abort()
			return
		case <-time.After(wait):
		}
	}
}

// pieces has memory to copy with.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// join copies in both directions, until both have come to their ends, or one has failed.
func join(ctx context.Context, guest guestConn, host *net.TCPConn) {
	// A reset of one side is passed on to the other.
	fail := func() {
		host.SetLinger(0)
		host.Close()
		guest.abort()
	}
	stop := context.AfterFunc(ctx, fail)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() {
		if err := move(host, guest); err != nil || guest.failed() || host.CloseWrite() != nil {
			fail()
		}
	})
	both.Go(func() {
		if err := move(guest, host); err != nil || guest.CloseWrite() != nil {
			fail()
		}
	})
	both.Wait()
}

// move copies to the end.
func move(dst io.Writer, src io.Reader) error {
	mem := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(mem)
	// Without the methods by which a *net.TCPConn copies with memory of its own.
	_, err := io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, mem[:])
	return err
}
