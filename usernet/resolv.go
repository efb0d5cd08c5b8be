package usernet

import (
	"bufio"
	"io"
	"net/netip"
	"os"
	"strings"
)

// resolvConf is what the guest is to have of the host's resolv.conf(5).
type resolvConf struct {
	servers []netip.AddrPort
	search  []string
	options []string
}

// The bounds that resolv.conf(5) names, or more.
const (
	maxServers    = 3
	maxSearch     = 32
	maxResolvConf = 64 << 10
)

// readResolvConf reads a host's file. One that is not there names no servers, and then there
// is one on the host itself.
func readResolvConf(path string) resolvConf {
	f, err := os.Open(path)
	if err != nil {
		return parseResolvConf(strings.NewReader(""))
	}
	defer f.Close()
	return parseResolvConf(io.LimitReader(f, maxResolvConf))
}

func parseResolvConf(r io.Reader) resolvConf {
	var c resolvConf
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 {
			continue
		}
		switch f[0] { // a line that begins with a space is none of these to glibc, either
		case "nameserver":
			if a, err := netip.ParseAddr(f[1]); err == nil && len(c.servers) < maxServers {
				c.servers = append(c.servers, netip.AddrPortFrom(a, 53))
			}
		case "domain", "search": // the last one counts
			c.search = nil
			for _, d := range f[1:min(len(f), 1+maxSearch)] {
				if isDomain(d) {
					c.search = append(c.search, d)
				}
			}
		case "options":
			for _, o := range f[1:] {
				// How names become queries. The rest is about how to ask.
				if strings.HasPrefix(o, "ndots:") {
					c.options = []string{o}
				}
			}
		}
	}
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53)}
	}
	return c
}

// isDomain reports whether a word can be a domain's name.
func isDomain(s string) bool {
	return len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' || r == ';' })
}
