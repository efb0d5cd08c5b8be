package usernet

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"
)

// datagram answers the first packet between two ports: it makes a socket for what
// they exchange. If it returns false, the guest is told that nobody is there.
func (s *session) datagram(r *udp.ForwarderRequest) bool {
	dst := destination(r.ID())
	to, err := s.n.target(dst)
	if err != nil {
		s.refuse(dst, err)
		return false
	}
	if !s.flows.take() {
		return true // lost
	}
	// There must not be two of them for the same ports, so it is made before the next packet
	// is looked at.
	var queue waiter.Queue
	end, terr := r.CreateEndpoint(&queue)
	if terr != nil {
		s.flows.give()
		return true
	}
	guest := gonet.NewUDPConn(&queue, end)
	if !s.spawn(func() {
		defer s.flows.give()
		defer guest.Close()
		d := net.Dialer{Control: noBroadcast}
		c, err := d.DialContext(s.ctx, "udp", to.String())
		if err != nil {
			return
		}
		exchange(s.ctx, guest, c.(*net.UDPConn))
	}) {
		guest.Close()
		s.flows.give()
	}
	return true
}

// noBroadcast takes from a socket what package net gives each: that it may send to all.
func noBroadcast(_, _ string, c syscall.RawConn) error {
	var err error
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
	}); cerr != nil {
		return cerr
	}
	return err
}

// exchange passes datagrams on, until there has been none for a while.
func exchange(ctx context.Context, guest *gonet.UDPConn, host *net.UDPConn) {
	end := func() {
		host.Close()
		guest.Close()
	}
	defer end()
	stop := context.AfterFunc(ctx, end)
	defer stop()

	start := time.Now()
	var last atomic.Int64 // when the guest has sent one, since start
	done := make(chan struct{})
	defer func() { <-done }()
	defer end() // which ends the goroutine
	go func() {
		defer close(done)
		defer end()
		mem := pieces.Get().(*[pieceSize]byte)
		defer pieces.Put(mem)
		for {
			n, err := guest.Read(mem[:])
			if err != nil {
				return
			}
			last.Store(int64(time.Since(start)))
			// What is not sent is lost, as everywhere.
			host.Write(mem[:n])
		}
	}()
	mem := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(mem)
	for {
		host.SetReadDeadline(time.Now().Add(flowTime))
		n, err := host.Read(mem[:])
		if e, ok := err.(net.Error); ok && e.Timeout() && time.Since(start)-time.Duration(last.Load()) < flowTime {
			continue
		}
		if err != nil {
			return
		}
		guest.Write(mem[:n])
	}
}
