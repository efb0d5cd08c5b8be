package usernet

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"

	"github.com/unboot/unboot/internal/reach"
)

// The addresses of the link.
var (
	link4    = netip.MustParsePrefix("10.0.2.0/24")
	guest4   = netip.MustParseAddr("10.0.2.15")
	gateway4 = netip.MustParseAddr("10.0.2.2")
	dns4     = netip.MustParseAddr("10.0.2.3")

	link6    = netip.MustParsePrefix("fd75:6e62:6f6f:74::/64")
	guest6   = netip.MustParseAddr("fd75:6e62:6f6f:74::15")
	gateway6 = netip.MustParseAddr("fd75:6e62:6f6f:74::2")
	dns6     = netip.MustParseAddr("fd75:6e62:6f6f:74::3")
)

// The bounds of what a guest can have at once. More is dropped, as a network does that is
// too busy, and the guest tries again.
const (
	maxConns   = 256       // TCP connections, those being made and ended included
	maxDials   = 64        // of those, being made
	maxFlows   = 256       // pairs of addresses and ports that exchange UDP
	maxQueries = 64        // DNS queries, and as many connections for them
	bufferSize = 256 << 10 // bytes, of a TCP connection in each direction
	pieceSize  = 64 << 10  // bytes that are copied at once
	maxRefused = 16        // addresses that Config.Refused hears of

	dialTime  = 30 * time.Second
	flowTime  = 60 * time.Second // a UDP flow ends after that time without a packet
	endTime   = 30 * time.Second // for the guest to take the rest of a connection that has ended outside
	queryTime = 5 * time.Second
)

// mtu is the link's: the largest that IP has. What goes over it is memory, and whoever is
// behind this process has the MTU of the host's sockets.
const mtu = 65535

// A Config says what programs may reach. The zero value is the public internet.
type Config struct {
	// Allow has what programs may reach beyond that:
	//
	//	private            addresses of private networks, of which the host's may be one
	//	host               the host's own services: at its addresses, and those that listen
	//	                   on its loopback address at the gateway's, 10.0.2.2
	//	ADDRESS, RANGE     such as 192.168.1.7 or 192.168.0.0/16
	//
	// each with or without a port: host:8080, [fd00::1]:443. Link-local addresses, and
	// those at which clouds have their metadata, are reached only by a rule that lies among
	// them, one of the host's own only by "host" or by itself.
	Allow []string

	// Nameservers are asked what the guest asks; nil: those of the host's resolv.conf(5).
	Nameservers []netip.AddrPort

	// Refused, if not nil, is called with where a program wanted to connect to and may not,
	// and why. It is called once for each address, for the first 16 of them, from any
	// goroutine.
	Refused func(to netip.AddrPort, why error)
}

// A Network is an interface's other end. Any number of kernels may use it at once:
// none sees another.
type Network struct {
	config  Config
	rules   []reach.Rule
	hasIPv6 bool
	resolv  resolvConf
	isHost  func(netip.Addr) bool
}

// New returns a network. It opens nothing yet. Errors are those of Config.Allow.
func New(c Config) (*Network, error) {
	n := &Network{config: c, isHost: reach.Own}
	for _, s := range c.Allow {
		rules, err := reach.Parse(s)
		if err != nil {
			return nil, fmt.Errorf("usernet: %w", err)
		}
		n.rules = append(n.rules, rules...)
	}
	n.hasIPv6 = routesIPv6()
	n.resolv = readResolvConf("/etc/resolv.conf")
	if c.Nameservers != nil {
		n.resolv.servers = c.Nameservers
	}
	return n, nil
}

// routesIPv6 reports whether the host knows a way to the public internet in IPv6. To
// connect a UDP socket sends nothing.
func routesIPv6() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrInet6{Port: 53, Addr: netip.MustParseAddr("2620:fe::fe").As16()}) == nil
}

// Addresses returns the guest's addresses, with the ranges of the link.
func (n *Network) Addresses() []netip.Prefix {
	a := []netip.Prefix{netip.PrefixFrom(guest4, link4.Bits())}
	if n.hasIPv6 {
		a = append(a, netip.PrefixFrom(guest6, link6.Bits()))
	}
	return a
}

// Gateways returns where the guest's default routes lead.
func (n *Network) Gateways() []netip.Addr {
	if n.hasIPv6 {
		return []netip.Addr{gateway4, gateway6}
	}
	return []netip.Addr{gateway4}
}

// MTU returns the largest packet that the link carries, in bytes.
func (n *Network) MTU() int { return mtu }

// ResolvConf returns the content of the guest's resolv.conf(5).
func (n *Network) ResolvConf() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "nameserver %s\n", dns4)
	if len(n.resolv.search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(n.resolv.search, " "))
	}
	if len(n.resolv.options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(n.resolv.options, " "))
	}
	return []byte(b.String())
}

// target returns where a connection to dst is to go, or why it must not be made.
func (n *Network) target(dst netip.AddrPort) (netip.AddrPort, error) {
	switch a := dst.Addr(); {
	case a == gateway4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), dst.Port()), reach.CheckLoopback(n.rules, dst.Port())
	case a == gateway6:
		return netip.AddrPortFrom(netip.IPv6Loopback(), dst.Port()), reach.CheckLoopback(n.rules, dst.Port())
	case link4.Contains(a) || link6.Contains(a):
		return dst, reach.ErrNowhere
	}
	return dst, reach.Check(n.rules, dst, n.isHost)
}

// A session is one use of a Network.
type session struct {
	n     *Network
	ctx   context.Context
	stack *stack.Stack

	conns, flows, queries slots
	work                  sync.WaitGroup

	mu      sync.Mutex
	refused map[netip.Addr]struct{} // guarded by mu
	ended   bool                    // guarded by mu: no more work begins
}

// slots are how many of something may still begin.
type slots chan struct{}

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }

// Serve carries packets between a guest and the outside, until reading from link fails. Each
// Read gives a whole IP packet, or as much of it as fits, and each Write takes one; a write
// may be made by several goroutines at once. When ctx ends all connections do, and packets
// are dropped: it is for whoever made the link to have its Read return. Serve returns what
// Read did, when no connection and no goroutine is left.
func (n *Network) Serve(ctx context.Context, link io.ReadWriter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &session{
		n: n, ctx: ctx,
		conns: make(slots, maxConns), flows: make(slots, maxFlows), queries: make(slots, maxQueries),
		refused: map[netip.Addr]struct{}{},
	}
	end := &endpoint{link: link}
	if err := s.start(end); err != nil {
		return fmt.Errorf("usernet: %w", err)
	}
	err := end.receive(ctx, link)
	cancel()
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	end.drop() // what is said from now on reaches nobody
	s.stack.Close()
	s.work.Wait()
	s.stack.Destroy()
	return err
}

// spawn runs f, unless the session has ended, in which case it returns false.
func (s *session) spawn(f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.work.Go(f)
	return true
}

// refuse tells the caller of something that is not allowed.
func (s *session) refuse(to netip.AddrPort, why error) {
	if s.n.config.Refused == nil {
		return
	}
	s.mu.Lock()
	_, known := s.refused[to.Addr()]
	known = known || len(s.refused) >= maxRefused
	if !known {
		s.refused[to.Addr()] = struct{}{}
	}
	s.mu.Unlock()
	if !known {
		s.n.config.Refused(to, why)
	}
}

const nic tcpip.NICID = 1

// start makes the TCP/IP of this side.
func (s *session) start(end *endpoint) error {
	s.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol},
	})
	if err := s.configure(end); err != nil {
		s.stack.Destroy()
		return err
	}
	return nil
}

func (s *session) configure(end *endpoint) error {
	sack := tcpip.TCPSACKEnabled(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: bufferSize, Max: bufferSize}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: bufferSize, Max: bufferSize}
	// The link reorders nothing, so no segment of an old connection can come late.
	timeWait := tcpip.TCPTimeWaitTimeoutOption(time.Second)
	linger := tcpip.TCPLingerTimeoutOption(endTime)
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &receive, &send, &timeWait, &linger} {
		if err := s.stack.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return wrong("an option of TCP", err)
		}
	}
	if err := s.stack.CreateNIC(nic, end); err != nil {
		return wrong("the interface", err)
	}
	// All addresses are ours, as far as the guest is concerned.
	s.stack.SetPromiscuousMode(nic, true)
	s.stack.SetSpoofing(nic, true)
	for _, a := range []netip.Addr{gateway4, dns4, gateway6, dns6} {
		if err := s.stack.AddProtocolAddress(nic, tcpip.ProtocolAddress{
			Protocol:          protocolOf(a),
			AddressWithPrefix: tcpip.AddressWithPrefix{Address: addressOf(a), PrefixLen: a.BitLen()},
		}, stack.AddressProperties{}); err != nil {
			return wrong("the address "+a.String(), err)
		}
	}
	s.stack.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	s.stack.SetTransportProtocolHandler(tcp.ProtocolNumber, tcp.NewForwarder(s.stack, bufferSize, maxDials, s.connect).HandlePacket)
	s.stack.SetTransportProtocolHandler(udp.ProtocolNumber, udp.NewForwarder(s.stack, s.datagram).HandlePacket)
	return s.serveDNS()
}

// wrong makes an error of one of gVisor's, which are not errors.
func wrong(what string, err tcpip.Error) error { return fmt.Errorf("%s: %s", what, err) }

func addressOf(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func addrOf(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// destination is where the guest's side of a connection has sent it.
func destination(id stack.TransportEndpointID) netip.AddrPort {
	return netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort)
}
