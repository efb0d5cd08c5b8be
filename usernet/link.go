package usernet

import (
	"context"
	"io"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// An endpoint is gVisor's end of the link: packets of IP without a header of their own. It
// writes in the goroutine that sends, so that who sends faster than the guest takes has to
// wait.
type endpoint struct {
	link    io.Writer
	dropped atomic.Bool // the guest is gone

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher // guarded by mu
}

// drop ends writing.
func (e *endpoint) drop() { e.dropped.Store(true) }

// receive hands the guest's packets to the stack until reading fails, and returns why.
func (e *endpoint) receive(ctx context.Context, link io.Reader) error {
	buf := make([]byte, mtu)
	for {
		n, err := link.Read(buf)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		if ctx.Err() == nil {
			e.deliver(buf[:n])
		}
	}
}

// deliver hands a packet to the stack, if it is one that the stack should see.
func (e *endpoint) deliver(packet []byte) {
	protocol, ok := admit(packet)
	if !ok {
		return
	}
	e.mu.RLock()
	d := e.dispatcher
	e.mu.RUnlock()
	if d == nil {
		return
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	// Nothing between the guest and here can have changed it.
	pkt.RXChecksumValidated = true
	d.DeliverNetworkPacket(protocol, pkt)
	pkt.DecRef()
}

// admit says what protocol a packet of the guest is of, and whether the stack is to have it:
// a whole packet of TCP or UDP, from the guest's address to another host, or an echo request
// to this end of the link.
func admit(b []byte) (tcpip.NetworkProtocolNumber, bool) {
	switch header.IPVersion(b) {
	case header.IPv4Version:
		h := header.IPv4(b)
		if !h.IsValid(len(b)) || h.More() || h.FragmentOffset() != 0 || addrOf(h.SourceAddress()) != guest4 {
			return 0, false
		}
		to := addrOf(h.DestinationAddress())
		switch h.TransportProtocol() {
		case header.TCPProtocolNumber, header.UDPProtocolNumber:
			return header.IPv4ProtocolNumber, to != guest4 && to != link4.Addr() && unicast4(b)
		case header.ICMPv4ProtocolNumber:
			p := header.ICMPv4(h.Payload())
			return header.IPv4ProtocolNumber, (to == gateway4 || to == dns4) && len(p) >= header.ICMPv4MinimumSize && p.Type() == header.ICMPv4Echo
		}
	case header.IPv6Version:
		h := header.IPv6(b)
		if !h.IsValid(len(b)) || addrOf(h.SourceAddress()) != guest6 {
			return 0, false
		}
		to := addrOf(h.DestinationAddress())
		switch h.TransportProtocol() { // a header of options is none of these
		case header.TCPProtocolNumber, header.UDPProtocolNumber:
			return header.IPv6ProtocolNumber, to != guest6 && !to.IsMulticast() && !to.IsUnspecified() && !to.IsLoopback()
		case header.ICMPv6ProtocolNumber:
			p := header.ICMPv6(h.Payload())
			return header.IPv6ProtocolNumber, (to == gateway6 || to == dns6) && len(p) >= header.ICMPv6MinimumSize && p.Type() == header.ICMPv6EchoRequest
		}
	}
	return 0, false
}

// unicast4 reports whether an IPv4 packet goes to one host that is not the sender.
func unicast4(b []byte) bool {
	first := b[16] // of the destination
	return first != 0 && first != 127 && first < 224
}

// packets has memory for a packet that is written.
var packets = sync.Pool{New: func() any { b := make([]byte, 0, mtu); return &b }}

// WritePackets implements stack.LinkWriter.
func (e *endpoint) WritePackets(list stack.PacketBufferList) (int, tcpip.Error) {
	mem := packets.Get().(*[]byte)
	defer packets.Put(mem)
	for i, pkt := range list.AsSlice() {
		if e.dropped.Load() {
			return i, &tcpip.ErrClosedForSend{}
		}
		b := (*mem)[:0]
		for _, s := range pkt.AsSlices() {
			b = append(b, s...)
		}
		if _, err := e.link.Write(b); err != nil {
			// The interface is down, or the guest's memory full: a network would lose it, too.
			return i, &tcpip.ErrNoBufferSpace{}
		}
	}
	return list.Len(), nil
}

// Attach implements stack.NetworkLinkEndpoint.
func (e *endpoint) Attach(d stack.NetworkDispatcher) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dispatcher = d
}

// IsAttached implements stack.NetworkLinkEndpoint.
func (e *endpoint) IsAttached() bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.dispatcher != nil
}

// The rest of stack.NetworkLinkEndpoint says that there is nothing below IP.

func (e *endpoint) MTU() uint32                                  { return mtu }
func (e *endpoint) SetMTU(uint32)                                {}
func (e *endpoint) MaxHeaderLength() uint16                      { return 0 }
func (e *endpoint) LinkAddress() tcpip.LinkAddress               { return "" }
func (e *endpoint) SetLinkAddress(tcpip.LinkAddress)             {}
func (e *endpoint) Capabilities() stack.LinkEndpointCapabilities { return stack.CapabilityNone }
func (e *endpoint) Wait()                                        {}
func (e *endpoint) ARPHardwareType() header.ARPHardwareType      { return header.ARPHardwareNone }
func (e *endpoint) AddHeader(*stack.PacketBuffer)                {}
func (e *endpoint) ParseHeader(*stack.PacketBuffer) bool         { return true }
func (e *endpoint) Close()                                       {}
func (e *endpoint) SetOnCloseAction(func())                      {}
