package usernet

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"

	"github.com/unboot/unboot/internal/reach"
)

// listen serves connections on the host's loopback address, and returns how the guest knows
// it.
func listen(t testing.TB, serve func(*net.TCPConn)) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				serve(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(all.Wait)
	t.Cleanup(func() { l.Close() })
	return viaGateway(l.Addr())
}

func viaGateway(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return netip.AddrPortFrom(gateway4, a.AddrPort().Port())
	case *net.UDPAddr:
		return netip.AddrPortFrom(gateway4, a.AddrPort().Port())
	}
	panic(a)
}

// noise returns bytes that are not all alike.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

// Both directions carry what is sent, to its end, and each ends by itself.
func TestStream(t *testing.T) {
	in, out := noise(5<<20+13), noise(3<<20+7)
	got := make(chan [32]byte, 1)
	at := listen(t, func(c *net.TCPConn) {
		h := sha256.New()
		io.Copy(h, c) // to the guest's end
		got <- [32]byte(h.Sum(nil))
		c.Write(out)
	})
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	c := g.mustDial(at)
	if _, err := c.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	back, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(back, out) {
		t.Errorf("%d of %d bytes came back: %v", len(back), len(out), err)
	}
	if <-got != sha256.Sum256(in) {
		t.Error("what arrived is not what was sent")
	}
}

// A connection that breaks outside does not look like one that has ended.
func TestReset(t *testing.T) {
	at := listen(t, func(c *net.TCPConn) {
		c.Write(noise(1000))
		var b [1]byte
		c.Read(b[:])
		c.SetLinger(0)
	})
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	c := g.mustDial(at)
	if _, err := io.ReadFull(c, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	c.Write([]byte("x"))
	if n, err := c.Read(make([]byte, 10)); err == nil || err == io.EOF {
		t.Errorf("read: %d, %v", n, err)
	}
}

// A guest that breaks off is not taken for one that has finished.
func TestGuestReset(t *testing.T) {
	result := make(chan error, 1)
	at := listen(t, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		result <- err
	})
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	c := g.mustDial(at)
	c.Write([]byte("half of it"))
	g.stack.RegisteredEndpoints()[0].Abort()
	if err := <-result; err == nil {
		t.Error("the server takes it for the end")
	}
}

// Nobody listens: the guest hears so. What is not allowed looks the same to it, and the
// caller hears why.
func TestRefused(t *testing.T) {
	var mu sync.Mutex
	heard := map[string]error{}
	n := network(t, Config{Allow: []string{"host:1"}, Refused: func(to netip.AddrPort, why error) {
		mu.Lock()
		defer mu.Unlock()
		if heard[to.Addr().String()] != nil {
			t.Errorf("%v is reported twice", to)
		}
		heard[to.Addr().String()] = why
	}})
	g := newGuest(t, n)
	for _, c := range []struct {
		to   string
		want error
	}{
		{"10.0.2.2:1", nil},
		{"10.0.2.2:22", reach.ErrHost},
		{"10.0.2.2:22", reach.ErrHost},
		{"[fd75:6e62:6f6f:74::2]:22", reach.ErrHost},
		{"10.0.2.9:80", reach.ErrNowhere},
		{"10.9.9.9:80", reach.ErrPrivate},
		{"169.254.169.254:80", reach.ErrLinkLocal},
		{"[fd00:ec2::254]:80", reach.ErrLinkLocal},
		{"[2002:7f00:1::]:80", reach.ErrNowhere},
	} {
		to := netip.MustParseAddrPort(c.to)
		if _, err := g.dial(to); !isRefused(err) {
			t.Errorf("%s: %v", c.to, err)
		}
		mu.Lock()
		if heard[to.Addr().String()] != c.want {
			t.Errorf("%s: %v, want %v", c.to, heard[to.Addr().String()], c.want)
		}
		mu.Unlock()
	}
	for _, own := range hostAddresses(t) {
		if _, err := g.dial(netip.AddrPortFrom(own, 22)); !isRefused(err) {
			t.Errorf("%v: %v", own, err)
		}
	}
}

// hostAddresses returns the host's own addresses, but for those of loopback.
func hostAddresses(t *testing.T) (list []netip.Addr) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if ip = ip.Unmap(); !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			list = append(list, ip)
		}
	}
	return list
}

// An ordinary client and an ordinary server, many at once.
func TestHTTP(t *testing.T) {
	body := noise(200 << 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(body) }))
	t.Cleanup(srv.Close)
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	at := viaGateway(srv.Listener.Addr())
	errs := make(chan error, 64)
	for range cap(errs) {
		go func() {
			c, err := g.dial(at)
			if err != nil {
				errs <- err
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "GET / HTTP/1.0\r\n\r\n")
			b, err := io.ReadAll(c)
			if err == nil && !bytes.HasSuffix(b, body) {
				err = fmt.Errorf("%d bytes, which are others", len(b))
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// More connections than are allowed wait, and come through when others have ended.
func TestManyConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a second SYN")
	}
	release := make(chan struct{})
	at := listen(t, func(c *net.TCPConn) {
		c.Write([]byte("x"))
		<-release
	})
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	var one [1]byte
	var conns []*gonet.TCPConn
	for i := range maxConns {
		conns = append(conns, g.mustDial(at))
		if _, err := conns[i].Read(one[:]); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
	}
	done := make(chan error, 1)
	go func() {
		c, err := g.dial(at)
		if err == nil {
			_, err = c.Read(one[:])
			c.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("one too many: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	for _, c := range conns[1:] {
		c.Close()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A guest that goes away takes everything with it.
func TestGoneInTheMiddle(t *testing.T) {
	ended := make(chan error, 8)
	at := listen(t, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	})
	g := newGuest(t, network(t, Config{Allow: []string{"host"}}))
	for range cap(ended) {
		c := g.mustDial(at)
		go func() {
			for {
				if _, err := c.Write(make([]byte, 10000)); err != nil {
					return
				}
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	g.close()
	for range cap(ended) {
		if err := <-ended; err == nil {
			t.Error("a server takes it for the end")
		}
	}
	for _, e := range g.stack.RegisteredEndpoints() {
		e.Abort()
	}
}

func TestNewErrors(t *testing.T) {
	_, err := New(Config{Allow: []string{"private", "mirror.example"}})
	if err == nil || !strings.Contains(err.Error(), `"mirror.example"`) {
		t.Error(err)
	}
}
