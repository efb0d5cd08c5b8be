package reach

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

func rules(t *testing.T, list ...string) (all []Rule) {
	t.Helper()
	for _, s := range list {
		r, err := Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r...)
	}
	return all
}

func TestCheck(t *testing.T) {
	own := func(a netip.Addr) bool {
		return a == netip.MustParseAddr("192.168.1.2") || a == netip.MustParseAddr("9.9.9.1") || a == netip.MustParseAddr("169.254.7.7")
	}
	for _, c := range []struct {
		allow string // one rule, or ""
		to    string
		want  error
	}{
		{"", "9.9.9.9:53", nil},
		{"", "[2620:fe::fe]:443", nil},
		{"", "9.9.9.9:0", ErrNowhere},
		{"", "0.0.0.0:80", ErrNowhere},
		{"", "127.0.0.1:80", ErrNowhere},
		{"", "127.255.0.1:80", ErrNowhere},
		{"", "[::1]:80", ErrNowhere},
		{"", "[::]:80", ErrNowhere},
		{"", "[::ffff:127.0.0.1]:80", ErrNowhere},
		{"", "[::ffff:9.9.9.9]:80", ErrNowhere},
		{"", "[::7f00:1]:80", ErrNowhere},
		{"", "224.0.0.251:5353", ErrNowhere},
		{"", "255.255.255.255:67", ErrNowhere},
		{"", "240.1.2.3:67", ErrNowhere},
		{"", "[ff02::fb]:5353", ErrNowhere},
		{"", "[2002:7f00:1::]:80", ErrNowhere},
		{"", "[2001:0:1::1]:80", ErrNowhere},
		{"", "10.1.2.3:80", ErrPrivate},
		{"", "172.31.255.255:80", ErrPrivate},
		{"", "172.32.0.0:80", nil},
		{"", "192.168.1.1:80", ErrPrivate},
		{"", "100.127.1.1:80", ErrPrivate},
		{"", "[fd00::1]:80", ErrPrivate},
		{"", "[fe80::1]:80", ErrLinkLocal},
		{"", "169.254.169.254:80", ErrLinkLocal},
		{"", "100.100.100.200:80", ErrLinkLocal},
		{"", "168.63.129.16:80", ErrLinkLocal},
		{"", "192.0.0.192:80", ErrLinkLocal},
		{"", "[fd00:ec2::254]:80", ErrLinkLocal},
		{"", "[fd20:ce::254]:80", ErrLinkLocal},
		{"", "192.168.1.2:22", ErrHost},
		{"", "9.9.9.1:22", ErrHost},
		{"", "[64:ff9b::909:909]:443", nil},
		{"", "[64:ff9b::7f00:1]:443", ErrNowhere},
		{"", "[64:ff9b::a9fe:a9fe]:80", ErrLinkLocal},
		{"", "[64:ff9b::a00:1]:80", ErrLinkLocal},
		{"private", "[64:ff9b::a00:1]:80", ErrLinkLocal},
		{"::/0", "[64:ff9b::a00:1]:80", ErrLinkLocal},
		{"64:ff9b::a00:1", "[64:ff9b::a00:1]:80", nil},

		{"private", "10.1.2.3:80", nil},
		{"private", "[fd00::1]:80", nil},
		{"private", "169.254.169.254:80", ErrLinkLocal},
		{"private", "100.100.100.200:80", ErrLinkLocal},
		{"private", "[fd00:ec2::254]:80", ErrLinkLocal},
		{"private", "192.168.1.2:22", ErrHost},
		{"private:443", "10.1.2.3:443", nil},
		{"private:443", "10.1.2.3:80", ErrPrivate},
		{"0.0.0.0/0", "10.1.2.3:80", nil},
		{"0.0.0.0/0", "169.254.169.254:80", ErrLinkLocal},
		{"0.0.0.0/0", "127.0.0.1:80", ErrNowhere},
		{"0.0.0.0/0", "192.168.1.2:80", ErrHost},
		{"192.168.0.0/16", "192.168.1.1:80", nil},
		{"192.168.0.0/16", "10.0.0.1:80", ErrPrivate},
		{"192.168.0.0/16", "192.168.1.2:80", ErrHost},
		{"192.168.1.2", "192.168.1.2:80", nil},
		{"192.168.1.2:80", "192.168.1.2:22", ErrHost},
		{"169.254.169.254", "169.254.169.254:80", nil},
		{"169.254.169.254:80", "169.254.169.254:81", ErrLinkLocal},
		{"169.254.0.0/16", "169.254.1.1:80", nil},
		{"fe80::/10", "[fe80::1]:80", nil},
		{"100.64.0.0/10", "100.100.100.200:80", ErrLinkLocal},
		{"host", "192.168.1.2:80", nil},
		{"host", "9.9.9.1:80", nil},
		{"host", "192.168.1.1:80", ErrPrivate},
		{"host", "169.254.7.7:80", ErrHost},
		{"host", "127.0.0.1:80", ErrNowhere},
		{"host:80", "192.168.1.2:80", nil},
		{"host:80", "192.168.1.2:81", ErrHost},
	} {
		var r []Rule
		if c.allow != "" {
			r = rules(t, c.allow)
		}
		if got := Check(r, netip.MustParseAddrPort(c.to), own); got != c.want {
			t.Errorf("%s with %q: %v, want %v", c.to, c.allow, got, c.want)
		}
	}
}

func TestCheckLoopback(t *testing.T) {
	for _, c := range []struct {
		allow string
		port  uint16
		want  error
	}{{"private", 80, ErrHost}, {"0.0.0.0/0", 80, ErrHost}, {"host", 80, nil}, {"host", 0, ErrHost}, {"host:81", 80, ErrHost}, {"host:80", 80, nil}} {
		if got := CheckLoopback(rules(t, c.allow), c.port); got != c.want {
			t.Errorf("port %d with %q: %v, want %v", c.port, c.allow, got, c.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, s := range []string{"", "localhost", "host:", "host:0", "host:65536", "host:-1", "host:80:80", "10.0.0.0/33", "10.0.0", "10.0.0.1:", "[fd00::1", "[fd00::1]80",
		"[fd00::1]:x", "127.0.0.1", "127.0.0.0/8", "::1", "224.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "private:port", "*"} {
		if r, err := Parse(s); err == nil {
			t.Errorf("%q: %v, want an error", s, r)
		}
	}
}

// What the host itself says its addresses are is found, and others are not.
func TestOwn(t *testing.T) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip, _ := netip.AddrFromSlice(a.(*net.IPNet).IP)
		if !Own(ip.Unmap()) {
			t.Errorf("%v is not found", ip)
		}
	}
	// All of 127.0.0.0/8 is local by a route alone.
	if !Own(netip.MustParseAddr("127.3.4.5")) {
		t.Error("127.3.4.5 is not found")
	}
	for _, s := range []string{"9.9.9.9", "2620:fe::fe", "192.0.2.1"} {
		if Own(netip.MustParseAddr(s)) {
			t.Errorf("%s is taken for the host", s)
		}
	}
}

// No rule that is not about them opens what is never meant by accident.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"private", "host:80", "10.0.0.0/8:443", "[fd00::/8]:1", "0.0.0.0/0", "::/0", "fd00::1"} {
		f.Add(s)
	}
	nobody := func(netip.Addr) bool { return false }
	f.Fuzz(func(t *testing.T, s string) {
		r, err := Parse(s)
		if err != nil {
			return
		}
		for _, to := range []string{"127.0.0.1:80", "[::1]:80", "0.0.0.0:80", "[::ffff:127.0.0.1]:80", "255.255.255.255:9"} {
			if err := Check(r, netip.MustParseAddrPort(to), nobody); !errors.Is(err, ErrNowhere) {
				t.Errorf("%q: %s: %v", s, to, err)
			}
		}
		metadata := netip.MustParseAddrPort("169.254.169.254:80")
		if Check(r, metadata, nobody) == nil {
			for _, one := range r {
				if !one.prefix.Contains(metadata.Addr()) || one.prefix.Bits() < 16 {
					t.Errorf("%q opens %v", s, metadata)
				}
			}
		}
	})
}
