package usernet

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
)

// A guest is another TCP/IP at the other end of the link.
type guest struct {
	t     testing.TB
	stack *stack.Stack
	end   *channel.Endpoint
	gone  chan struct{}
	once  sync.Once
}

var errGone = errors.New("the guest has gone")

// Read is the network's side of the link.
func (g *guest) Read(p []byte) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-g.gone:
			cancel()
		case <-ctx.Done():
		}
	}()
	pkt := g.end.ReadContext(ctx)
	if pkt == nil {
		return 0, errGone
	}
	defer pkt.DecRef()
	n := 0
	for _, s := range pkt.AsSlices() {
		n += copy(p[n:], s)
	}
	return n, nil
}

// Write is the network's side of the link.
func (g *guest) Write(p []byte) (int, error) {
	select {
	case <-g.gone:
		return 0, io.ErrClosedPipe
	default:
	}
	protocol := ipv4.ProtocolNumber
	if header.IPVersion(p) == header.IPv6Version {
		protocol = ipv6.ProtocolNumber
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(p)})
	g.end.InjectInbound(protocol, pkt)
	pkt.DecRef()
	return len(p), nil
}

// close ends the guest's kernel, as it were.
func (g *guest) close() { g.once.Do(func() { close(g.gone) }) }

// newGuest starts a network with a guest at its end. What they have started has ended at the
// test's end.
func newGuest(t testing.TB, n *Network) *guest {
	before := runtime.NumGoroutine()
	g := &guest{t: t, end: channel.New(512, mtu, ""), gone: make(chan struct{})}
	g.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := g.stack.CreateNIC(nic, g.end); err != nil {
		t.Fatal(err)
	}
	for _, p := range []netip.Prefix{netip.PrefixFrom(guest4, 24), netip.PrefixFrom(guest6, 64)} {
		if err := g.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{Protocol: protocolOf(p.Addr()),
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: addressOf(p.Addr()), PrefixLen: p.Bits()}}, stack.AddressProperties{}); err != nil {
			t.Fatal(err)
		}
	}
	g.stack.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}, {Destination: header.IPv6EmptySubnet, NIC: nic}})
	served := make(chan error, 1)
	go func() { served <- n.Serve(context.Background(), g) }()
	t.Cleanup(func() {
		g.close()
		select {
		case err := <-served:
			if err != errGone {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("Serve does not return:\n%s", stacks())
		}
		g.stack.Destroy()
		for range 200 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks())
	})
	return g
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

func full(to netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: addressOf(to.Addr()), Port: to.Port()}
}

// dial connects as a program of the guest.
func (g *guest) dial(to netip.AddrPort) (*gonet.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return gonet.DialContextTCP(ctx, g.stack, full(to), protocolOf(to.Addr()))
}

// mustDial is dial that does not fail.
func (g *guest) mustDial(to netip.AddrPort) *gonet.TCPConn {
	g.t.Helper()
	c, err := g.dial(to)
	if err != nil {
		g.t.Fatalf("%v: %v", to, err)
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

// dialUDP makes a socket of the guest.
func (g *guest) dialUDP(to netip.AddrPort) *gonet.UDPConn {
	g.t.Helper()
	addr := full(to)
	c, err := gonet.DialUDP(g.stack, nil, &addr, protocolOf(to.Addr()))
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	return c
}

// network makes a Network for a test.
func network(t testing.TB, c Config) *Network {
	t.Helper()
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	n.hasIPv6 = true
	return n
}

func isRefused(err error) bool { return err != nil && strings.Contains(err.Error(), "refused") }
