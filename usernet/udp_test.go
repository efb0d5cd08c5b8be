package usernet

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"time"
)

// echo answers datagrams on the host's loopback address.
func echo(t testing.TB, answer func([]byte) []byte) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			if m := answer(append([]byte(nil), b[:n]...)); m != nil {
				c.WriteToUDPAddrPort(m, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return viaGateway(c.LocalAddr())
}

// ask sends a datagram until something comes back: they may be lost.
func ask(t testing.TB, c net.Conn, m []byte) []byte {
	t.Helper()
	b := make([]byte, 1<<16)
	for range 20 {
		if _, err := c.Write(m); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := c.Read(b); err == nil {
			return b[:n]
		}
	}
	t.Fatal("no answer")
	return nil
}

func TestDatagrams(t *testing.T) {
	at := echo(t, func(m []byte) []byte { return append(m, '!') })
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	for _, size := range []int{0, 1, 1472, 60000, 65506} {
		c := g.dialUDP(at)
		m := noise(size)
		if got := ask(t, c, m); !bytes.Equal(got, append(m, '!')) {
			t.Errorf("%d bytes: %d came back", size, len(got))
		}
		if got := ask(t, c, []byte("again")); string(got) != "again!" {
			t.Errorf("%q", got)
		}
	}
}

// The guest hears, by ICMP, of what is not allowed.
func TestDatagramRefused(t *testing.T) {
	g := newGuest(t, network(t, Config{}))
	c := g.dialUDP(netip.MustParseAddrPort("169.254.169.254:123"))
	c.Write([]byte("x"))
	var err error
	for range 200 { // a gonet.UDPConn that waits is not woken by it
		c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err = c.Read(make([]byte, 1)); isRefused(err) {
			return
		}
	}
	t.Error(err)
}

// More flows than there may be are lost, and nothing else is.
func TestManyFlows(t *testing.T) {
	at := echo(t, func(m []byte) []byte { return m })
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	first := g.dialUDP(at)
	ask(t, first, []byte("first"))
	for range 2 * maxFlows {
		g.dialUDP(at).Write([]byte("x"))
	}
	if got := ask(t, first, []byte("still there")); string(got) != "still there" {
		t.Errorf("%q", got)
	}
}
