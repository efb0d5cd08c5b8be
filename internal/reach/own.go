package reach

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Own reports whether an address is one of the host's: of an interface, or one that
// its routes take for local. If that cannot be found out it is taken for one.
func Own(a netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, i := range addrs {
		if p, ok := i.(*net.IPNet); ok {
			if own, ok := netip.AddrFromSlice(p.IP); ok && own.Unmap() == a {
				return true
			}
		}
	}
	// Without an answer, as where there is no way to the address, what counts is whether the
	// connection can be made.
	kind, err := routeType(a)
	return err == nil && (kind == unix.RTN_LOCAL || kind == unix.RTN_ANYCAST)
}

// routeType asks the host what kind of route it has to an address, as "ip route get".
func routeType(a netip.Addr) (byte, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	family := byte(unix.AF_INET)
	if a.Is6() {
		family = unix.AF_INET6
	}
	// struct nlmsghdr, struct rtmsg, and an attribute: see rtnetlink(7).
	addr := a.AsSlice()
	m := make([]byte, unix.NLMSG_HDRLEN+unix.SizeofRtMsg, 64)
	m[unix.NLMSG_HDRLEN], m[unix.NLMSG_HDRLEN+1] = family, byte(a.BitLen())
	m = binary.NativeEndian.AppendUint16(m, uint16(unix.SizeofRtAttr+len(addr)))
	m = binary.NativeEndian.AppendUint16(m, unix.RTA_DST)
	m = append(m, addr...)
	binary.NativeEndian.PutUint32(m[0:], uint32(len(m)))
	binary.NativeEndian.PutUint16(m[4:], unix.RTM_GETROUTE)
	binary.NativeEndian.PutUint16(m[6:], unix.NLM_F_REQUEST)
	if err := unix.Sendto(fd, m, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, err
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, err
	}
	if n < unix.NLMSG_HDRLEN+unix.SizeofRtMsg || binary.NativeEndian.Uint16(answer[4:]) != unix.RTM_NEWROUTE {
		return 0, unix.EHOSTUNREACH
	}
	return answer[unix.NLMSG_HDRLEN+7], nil
}
