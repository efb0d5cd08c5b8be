// Package reach says which addresses a guest with a network may connect to: those of the
// public internet, and what rules add to that.
package reach

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// A class is how far away an address is, as far as the policy is concerned.
type class uint8

const (
	public    class = iota
	private         // RFC 1918 and the like: other machines, if they are not the host itself
	linkLocal       // with the metadata services of clouds
	nowhere         // no address of a host that can be connected to
)

// special has the ranges that are not public, of the registries of RFC 6890, and the
// addresses that clouds serve metadata and credentials at. The first that contains an
// address counts.
var special = []struct {
	prefix netip.Prefix
	class  class
}{
	// Metadata services at addresses that are not link-local: Azure, Alibaba, Oracle, AWS
	// and Google by IPv6.
	{netip.MustParsePrefix("168.63.129.16/32"), linkLocal},
	{netip.MustParsePrefix("100.100.100.200/32"), linkLocal},
	{netip.MustParsePrefix("192.0.0.192/32"), linkLocal},
	{netip.MustParsePrefix("fd00:ec2::/32"), linkLocal},
	{netip.MustParsePrefix("fd20:ce::254/128"), linkLocal},

	{netip.MustParsePrefix("0.0.0.0/8"), nowhere}, // 0.0.0.0 is the host itself on Linux
	{netip.MustParsePrefix("10.0.0.0/8"), private},
	{netip.MustParsePrefix("100.64.0.0/10"), private},
	{netip.MustParsePrefix("127.0.0.0/8"), nowhere}, // see CheckLoopback
	{netip.MustParsePrefix("169.254.0.0/16"), linkLocal},
	{netip.MustParsePrefix("172.16.0.0/12"), private},
	{netip.MustParsePrefix("192.0.0.0/24"), nowhere},
	{netip.MustParsePrefix("192.0.2.0/24"), private},
	{netip.MustParsePrefix("192.88.99.0/24"), nowhere},
	{netip.MustParsePrefix("192.168.0.0/16"), private},
	{netip.MustParsePrefix("198.18.0.0/15"), private},
	{netip.MustParsePrefix("198.51.100.0/24"), private},
	{netip.MustParsePrefix("203.0.113.0/24"), private},
	{netip.MustParsePrefix("224.0.0.0/3"), nowhere}, // multicast, reserved, broadcast

	{netip.MustParsePrefix("fc00::/7"), private},
	{netip.MustParsePrefix("fe80::/10"), linkLocal},
	{netip.MustParsePrefix("2001::/23"), nowhere}, // Teredo and other protocols
	{netip.MustParsePrefix("2001:db8::/32"), private},
	{netip.MustParsePrefix("2002::/16"), nowhere}, // 6to4 has an IPv4 address in it
	{netip.MustParsePrefix("3fff::/20"), private},
	{netip.MustParsePrefix("2000::/3"), public},
	{netip.MustParsePrefix("::/0"), nowhere},
}

// nat64 is the prefix that translators of IPv6 to IPv4 have (RFC 6052): behind it is an
// IPv4 address.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// classOf returns an address's class, and the range it has it from.
func classOf(a netip.Addr) (class, netip.Prefix) {
	if nat64.Contains(a) {
		b := a.As16()
		c, p := classOf(netip.AddrFrom4([4]byte(b[12:])))
		if c == public {
			return public, nat64
		}
		if c == nowhere {
			return nowhere, p
		}
		return linkLocal, netip.PrefixFrom(a, a.BitLen()) // only by a rule for this one
	}
	for i := range special {
		if special[i].prefix.Contains(a) {
			return special[i].class, special[i].prefix
		}
	}
	return public, netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// A Rule allows something that is not allowed by itself.
type Rule struct {
	prefix netip.Prefix
	host   bool   // it is about the host itself
	port   uint16 // or 0: all
}

// Parse reads a rule: "private", for all private networks, "host", for the host's own
// services, an address or a range, each with or without a port: host:8080,
// 10.0.0.0/8, [fd00::1]:443. The result may be several.
func Parse(s string) ([]Rule, error) {
	word, port, err := splitPort(s)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", s, err)
	}
	switch word {
	case "host":
		return []Rule{{host: true, port: port}}, nil
	case "private":
		var rules []Rule
		for _, r := range special {
			if r.class == private {
				rules = append(rules, Rule{prefix: r.prefix, port: port})
			}
		}
		return rules, nil
	}
	p, err := netip.ParsePrefix(word)
	if err != nil {
		a, aerr := netip.ParseAddr(word)
		if aerr != nil || a.Zone() != "" {
			return nil, fmt.Errorf(`%q: not "private", "host" or an IP address or range, with or without a port`, s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() {
		return nil, fmt.Errorf("%q: write it as an IPv4 address", s)
	}
	if c, _ := classOf(p.Addr()); c == nowhere && p.Bits() >= 8 {
		return nil, fmt.Errorf("%q: it cannot be reached (the host itself is \"host\")", s)
	}
	return []Rule{{prefix: p.Masked(), port: port}}, nil
}

// splitPort takes the port from the end of a rule: of "host:80", "10.0.0.0/8:80",
// "[fd00::1]:80".
func splitPort(s string) (word string, port uint16, err error) {
	word = s
	var digits string
	var found bool
	if rest, ok := strings.CutPrefix(s, "["); ok {
		if word, digits, ok = strings.Cut(rest, "]"); !ok {
			return "", 0, errors.New("a bracket is not closed")
		}
		if digits == "" {
			return word, 0, nil
		}
		digits, found = strings.CutPrefix(digits, ":")
		if !found {
			return "", 0, errors.New("there is something after the bracket")
		}
	} else if strings.Count(s, ":") == 1 {
		word, digits, found = strings.Cut(s, ":")
	}
	if !found {
		return word, 0, nil
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n == 0 {
		return "", 0, errors.New("not a port between 1 and 65535")
	}
	return word, uint16(n), nil
}

// allows reports whether a rule lets an address of a class through. One for a whole network
// does not open a special part of it: the addresses of a link are meant only by a
// rule that lies among them, and those of the host only by "host" or by themselves.
func (r *Rule) allows(dst netip.AddrPort, c class, from netip.Prefix, isHost bool) bool {
	if r.port != 0 && r.port != dst.Port() {
		return false
	}
	if r.host {
		return isHost && c <= private
	}
	if !r.prefix.Contains(dst.Addr()) {
		return false
	}
	switch {
	case isHost:
		return r.prefix.Bits() == dst.Addr().BitLen()
	case c == linkLocal:
		return r.prefix.Bits() >= from.Bits()
	}
	return true
}

// Reasons for which a destination is refused.
var (
	ErrHost      = errors.New("it is the host itself")
	ErrPrivate   = errors.New("it is a private address")
	ErrLinkLocal = errors.New("it is a link-local address or a metadata service")
	ErrNowhere   = errors.New("it is not an address to connect to")
)

// Check returns nil if rules, or the default, let a guest connect to an address. isHost
// says whether one is the host's own, as [Own] does.
func Check(rules []Rule, dst netip.AddrPort, isHost func(netip.Addr) bool) error {
	c, from := classOf(dst.Addr())
	if c == nowhere || dst.Port() == 0 {
		return ErrNowhere
	}
	own := isHost(dst.Addr())
	if !own && c == public {
		return nil
	}
	for i := range rules {
		if rules[i].allows(dst, c, from, own) {
			return nil
		}
	}
	switch {
	case own:
		return ErrHost
	case c == linkLocal:
		return ErrLinkLocal
	}
	return ErrPrivate
}

// CheckLoopback is Check for a port of the host's loopback address, which guests know by
// another one.
func CheckLoopback(rules []Rule, port uint16) error {
	for _, r := range rules {
		if r.host && port != 0 && (r.port == 0 || r.port == port) {
			return nil
		}
	}
	return ErrHost
}
