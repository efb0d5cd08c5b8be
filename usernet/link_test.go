package usernet

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net/netip"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// packet4 returns an IPv4 packet.
func packet4(from, to netip.Addr, protocol byte, payload []byte) []byte {
	b := make([]byte, header.IPv4MinimumSize, header.IPv4MinimumSize+len(payload))
	h := header.IPv4(b)
	h.Encode(&header.IPv4Fields{TotalLength: uint16(cap(b)), TTL: 64, Protocol: protocol, SrcAddr: addressOf(from), DstAddr: addressOf(to)})
	h.SetChecksum(^h.CalculateChecksum())
	return append(b, payload...)
}

// packet6 returns an IPv6 packet.
func packet6(from, to netip.Addr, next byte, payload []byte) []byte {
	b := make([]byte, header.IPv6MinimumSize, header.IPv6MinimumSize+len(payload))
	b[0], b[6], b[7] = 0x60, next, 64
	binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	return append(b, payload...)
}

// echo4 returns an ICMP echo request.
func echo4() []byte {
	b := make([]byte, header.ICMPv4MinimumSize+4)
	h := header.ICMPv4(b)
	h.SetType(header.ICMPv4Echo)
	h.SetChecksum(^checksum.Checksum(b, 0))
	return b
}

func TestAdmit(t *testing.T) {
	out4, out6 := netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("2620:fe::fe")
	data := make([]byte, 20)
	whole := packet4(guest4, out4, 17, data)
	short := whole[:len(whole)-1]
	more, later, version := bytes.Clone(whole), bytes.Clone(whole), bytes.Clone(whole)
	header.IPv4(more).SetFlagsFragmentOffset(header.IPv4FlagMoreFragments, 0)
	header.IPv4(later).SetFlagsFragmentOffset(0, 8)
	version[0] = 0x55
	for _, c := range []struct {
		name   string
		packet []byte
		want   bool
	}{
		{"udp", whole, true},
		{"tcp", packet4(guest4, out4, 6, data), true},
		{"to the gateway", packet4(guest4, gateway4, 6, data), true},
		{"ping of the gateway", packet4(guest4, gateway4, 1, echo4()), true},
		{"ping of others", packet4(guest4, out4, 1, echo4()), false},
		{"icmp that is too short", packet4(guest4, gateway4, 1, echo4()[:3]), false},
		{"unreachable", packet4(guest4, gateway4, 1, append([]byte{3}, data...)), false},
		{"first fragment", more, false},
		{"last fragment", later, false},
		{"cut off", short, false},
		{"version 5", version, false},
		{"nothing", nil, false},
		{"one byte", []byte{0x45}, false},
		{"sctp", packet4(guest4, out4, 132, data), false},
		{"igmp", packet4(guest4, netip.MustParseAddr("224.0.0.22"), 2, data), false},
		{"multicast", packet4(guest4, netip.MustParseAddr("224.0.0.251"), 17, data), false},
		{"broadcast", packet4(guest4, netip.MustParseAddr("255.255.255.255"), 17, data), false},
		{"loopback", packet4(guest4, netip.MustParseAddr("127.0.0.1"), 17, data), false},
		{"zero", packet4(guest4, netip.IPv4Unspecified(), 17, data), false},
		{"to itself", packet4(guest4, guest4, 17, data), false},
		{"someone else's", packet4(netip.MustParseAddr("10.0.2.16"), out4, 17, data), false},
		{"the gateway's", packet4(gateway4, out4, 17, data), false},
		{"udp by ipv6", packet6(guest6, out6, 17, data), true},
		{"ping by ipv6", packet6(guest6, gateway6, 58, append([]byte{128}, data...)), true},
		{"ping of others by ipv6", packet6(guest6, out6, 58, append([]byte{128}, data...)), false},
		{"router solicitation", packet6(netip.MustParseAddr("fe80::1"), netip.MustParseAddr("ff02::2"), 58, append([]byte{133}, data...)), false},
		{"redirect", packet6(guest6, gateway6, 58, append([]byte{137}, data...)), false},
		{"options", packet6(guest6, out6, 0, data), false},
		{"fragment by ipv6", packet6(guest6, out6, 44, data), false},
		{"multicast by ipv6", packet6(guest6, netip.MustParseAddr("ff02::fb"), 17, data), false},
		{"loopback by ipv6", packet6(guest6, netip.IPv6Loopback(), 17, data), false},
		{"cut off by ipv6", packet6(guest6, out6, 17, data)[:50], false},
	} {
		if _, got := admit(c.packet); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// The gateway answers to ping, and nobody else does.
func TestPing(t *testing.T) {
	l := rawLink{make(chan []byte, 10), make(chan []byte, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- network(t, Config{}).Serve(ctx, l) }()
	defer func() { cancel(); close(l.in); <-done }()
	l.in <- packet4(guest4, netip.MustParseAddr("9.9.9.9"), 1, echo4())
	l.in <- packet4(guest4, gateway4, 1, echo4())
	select {
	case b := <-l.out:
		h := header.IPv4(b)
		if addrOf(h.SourceAddress()) != gateway4 || header.ICMPv4(h.Payload()).Type() != header.ICMPv4EchoReply || !h.IsChecksumValid() {
			t.Errorf("%x", b)
		}
	case <-time.After(10 * time.Second):
		t.Error("no answer")
	}
}

// A rawLink is a link without TCP/IP at its end.
type rawLink struct{ in, out chan []byte }

func (l rawLink) Read(p []byte) (int, error) {
	b, ok := <-l.in
	if !ok {
		return 0, io.EOF
	}
	return copy(p, b), nil
}

func (l rawLink) Write(p []byte) (int, error) {
	select {
	case l.out <- append([]byte(nil), p...):
	default:
	}
	return len(p), nil
}

// Whatever a guest sends, nothing here panics, nothing is sent on but to whom it says, and
// all answers are whole packets to the guest.
func FuzzPackets(f *testing.F) {
	syn := make([]byte, 20)
	binary.BigEndian.PutUint16(syn[0:], 1234)
	binary.BigEndian.PutUint16(syn[2:], 80)
	syn[12], syn[13] = 0x50, 2
	f.Add(packet4(guest4, netip.MustParseAddr("10.9.9.9"), 6, syn), packet4(guest4, netip.MustParseAddr("10.9.9.9"), 6, syn))
	f.Add(packet4(guest4, gateway4, 1, echo4()), packet6(guest6, gateway6, 6, syn))
	f.Add(packet4(guest4, dns4, 17, append([]byte{4, 1, 0, 53, 0, 37, 0, 0}, query(1, "example.org", 1)...)), []byte{})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		n := &Network{hasIPv6: true, isHost: func(netip.Addr) bool { return true }} // so nothing leaves
		l := rawLink{make(chan []byte, 2), make(chan []byte, 64)}
		l.in <- a
		l.in <- b
		close(l.in)
		if len(a) == 0 || len(b) == 0 {
			n.Serve(context.Background(), l)
			return
		}
		if err := n.Serve(context.Background(), l); err != io.EOF {
			t.Fatal(err)
		}
		close(l.out)
		for p := range l.out {
			switch header.IPVersion(p) {
			case header.IPv4Version:
				if h := header.IPv4(p); !h.IsValid(len(p)) || !h.IsChecksumValid() || addrOf(h.DestinationAddress()) != guest4 {
					t.Errorf("sent %x", p)
				}
			case header.IPv6Version:
				if h := header.IPv6(p); !h.IsValid(len(p)) || addrOf(h.DestinationAddress()) != guest6 {
					t.Errorf("sent %x", p)
				}
			default:
				t.Errorf("sent %x", p)
			}
		}
	})
}
