package usernet

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
)

// query returns a DNS query for a name.
func query(id uint16, name string, kind uint16) []byte {
	m := binary.BigEndian.AppendUint16(nil, id)
	m = append(m, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	for label := range strings.SplitSeq(name, ".") {
		m = append(append(m, byte(len(label))), label...)
	}
	m = append(m, 0)
	m = binary.BigEndian.AppendUint16(m, kind)
	return binary.BigEndian.AppendUint16(m, 1)
}

// nameserver answers each query with itself, and a word at its end, over UDP and TCP on one
// port.
func nameserver(t *testing.T, word string) netip.AddrPort {
	reply := func(m []byte) []byte {
		m[2] |= flagResponse
		return append(m, word...)
	}
	at := listen(t, func(c *net.TCPConn) {
		m, err := readMessage(c)
		if err == nil {
			writeMessage(c, reply(m))
		}
	})
	c, err := net.ListenPacket("udp4", "127.0.0.1:"+at.String()[strings.LastIndexByte(at.String(), ':')+1:])
	if err != nil {
		t.Skip("the port is not free for UDP:", err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			stray := append([]byte(nil), b[:n]...)
			stray[0]++ // another query's
			stray[2] |= flagResponse
			c.WriteTo(stray, from)
			c.WriteTo(reply(b[:n]), from)
		}
	}()
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port())
}

func TestDNS(t *testing.T) {
	dead := netip.MustParseAddrPort("127.0.0.1:1") // nobody listens
	n := network(t, Config{Nameservers: []netip.AddrPort{dead, nameserver(t, "answered")}})
	g := newGuest(t, n)
	q := query(7, "deb.example.org", 1)
	for _, server := range []netip.Addr{dns4, dns6} {
		at := netip.AddrPortFrom(server, 53)
		if got := ask(t, g.dialUDP(at), q); !bytes.HasSuffix(got, []byte("answered")) || !bytes.Equal(got[:2], q[:2]) {
			t.Errorf("%v: %q", at, got)
		}
		c := g.mustDial(at)
		for range 3 { // one connection, several queries
			if err := writeMessage(c, q); err != nil {
				t.Fatal(err)
			}
			if got, err := readMessage(c); err != nil || !bytes.HasSuffix(got, []byte("answered")) {
				t.Errorf("%v over TCP: %q, %v", at, got, err)
			}
		}
	}
	// Nothing else is there, and no other name server is reached in this way.
	if _, err := g.dial(netip.AddrPortFrom(dns4, 80)); !isRefused(err) {
		t.Error(err)
	}
	if _, err := g.dial(netip.AddrPortFrom(gateway4, 53)); !isRefused(err) {
		t.Error(err)
	}
}

// What is no plain query stays here.
func TestDNSRefused(t *testing.T) {
	var asked atomic.Int32
	server := echo(t, func(m []byte) []byte { asked.Add(1); m[2] |= flagResponse; return m })
	n := network(t, Config{Nameservers: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), server.Port())}})
	g := newGuest(t, n)
	c := g.dialUDP(netip.AddrPortFrom(dns4, 53))
	update := query(1, "example.org", 6)
	update[2] |= 5 << 3
	for name, m := range map[string][]byte{"transfer": query(2, "example.org", typeAXFR), "update": update, "header": update[:12], "label": append(query(3, "a", 1)[:12], 0xc0, 12, 0, 1, 0, 1)} {
		if got := ask(t, c, m); got[3]&maskCode != codeRefused || len(got) != dnsHeader {
			t.Errorf("%s: %x", name, got)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the name server was asked %d times", n)
	}
	c.Write([]byte("short"))
	if got := ask(t, c, query(4, "example.org", 28)); got[3]&maskCode != 0 || asked.Load() == 0 {
		t.Errorf("%x, asked %d times", got, asked.Load())
	}
}

// When no name server answers, the guest does not have to wait.
func TestDNSFailed(t *testing.T) {
	g := newGuest(t, network(t, Config{Nameservers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}}))
	if got := ask(t, g.dialUDP(netip.AddrPortFrom(dns4, 53)), query(9, "example.org", 1)); got[3]&maskCode != codeFailed || got[1] != 9 {
		t.Errorf("%x", got)
	}
}

func TestResolvConf(t *testing.T) {
	for _, c := range []struct{ in, servers, out string }{
		{"", "127.0.0.1:53", "nameserver 10.0.2.3\n"},
		{"# x\nnameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n", "127.0.0.53:53", "nameserver 10.0.2.3\nsearch .\n"},
		{"nameserver 10.1.1.1\nnameserver fe80::1%eth0\nnameserver nonsense\nnameserver 1.1.1.1 # x\nnameserver 4.4.4.4\n", "10.1.1.1:53 [fe80::1%eth0]:53 1.1.1.1:53", "nameserver 10.0.2.3\n"},
		{"domain a.example\nsearch svc.cluster.local b\x00d x\noptions ndots:5 rotate\n", "127.0.0.1:53", "nameserver 10.0.2.3\nsearch svc.cluster.local x\noptions ndots:5\n"},
	} {
		n := &Network{resolv: parseResolvConf(strings.NewReader(c.in))}
		var servers []string
		for _, s := range n.resolv.servers {
			servers = append(servers, s.String())
		}
		if got := strings.Join(servers, " "); got != c.servers || string(n.ResolvConf()) != c.out {
			t.Errorf("%q: %q, %q", c.in, got, n.ResolvConf())
		}
	}
}

// Messages of the guest get one answer or none, which is its own.
func FuzzQuery(f *testing.F) {
	f.Add(query(1, "example.org", 1))
	f.Add(query(1, "a", typeAXFR))
	f.Add([]byte("123456789012"))
	f.Fuzz(func(t *testing.T, m []byte) {
		before := bytes.Clone(m)
		ok := isQuery(m)
		answer := failure(m, codeRefused)
		if !bytes.Equal(m, before) {
			t.Error("the query was changed")
		}
		if ok && len(m) < dnsHeader+5 {
			t.Error("too short for a question")
		}
		if len(m) >= dnsHeader && (len(answer) != dnsHeader || !reflect.DeepEqual(answer[:2], m[:2]) || answer[2]&flagResponse == 0) {
			t.Errorf("%x", answer)
		}
	})
}
