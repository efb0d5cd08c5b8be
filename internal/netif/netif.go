// Package netif gives our kernel a network interface whose packets are read and written on
// this side: that of tun, as in the kernel's Documentation/networking/tuntap.rst, and what
// netdevice(7) and route(8) need to use it.
package netif

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// Name is what programs see the interface as.
const Name = "eth0"

// ErrUnsupported is wrapped by the errors of a kernel that has no such interfaces.
var ErrUnsupported = errors.New("the kernel was built without a network")

// A Config is how the kernel's end is set up.
type Config struct {
	Addresses []netip.Prefix // with the length of the link's range
	Gateways  []netip.Addr   // of the default routes, in those ranges
	MTU       int            // bytes, of IP packets
}

// An Interface is this side's end of the kernel's interface.
type Interface struct {
	k   *lkl.Kernel
	fd  int
	mem *lkl.Buffer

	reading sync.Mutex
}

// Of linux/if_tun.h and linux/misc.h.
const (
	misc     = 10
	tunMinor = 200
)

// nodes numbers the names of device nodes, which exist for a moment only.
var nodes atomic.Uint64

// Open makes the interface, and the loopback one work. IPv6 addresses and gateways are left
// out if the kernel has no IPv6.
func Open(k *lkl.Kernel, c Config) (*Interface, error) {
	i := &Interface{k: k, fd: -1}
	if err := i.open(c); err != nil {
		i.Close()
		return nil, fmt.Errorf("interface %s: %w", Name, err)
	}
	return i, nil
}

func (i *Interface) open(c Config) error {
	var err error
	if i.mem, err = i.k.Alloc(c.MTU); err != nil {
		return err
	}
	if i.fd, err = openTun(i.k); err != nil {
		return err
	}
	r := request(Name)
	binary.NativeEndian.PutUint16(r[unix.IFNAMSIZ:], unix.IFF_TUN|unix.IFF_NO_PI)
	if _, err := i.k.Ioctl(i.fd, unix.TUNSETIFF, r); err != nil {
		return fmt.Errorf("TUNSETIFF: %w", err)
	}
	s, err := i.k.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", unsupported(err))
	}
	defer i.k.CloseFd(s)
	v6, err := i.k.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		defer i.k.CloseFd(v6)
	} else {
		v6 = -1
	}
	set := setter{k: i.k, v4: s, v6: v6}
	set.up("lo")
	set.mtu(Name, c.MTU)
	for _, a := range c.Addresses {
		if a.Addr().Is4() {
			set.address4(a)
		}
	}
	set.up(Name)
	for _, a := range c.Addresses {
		if a.Addr().Is6() {
			set.address6(a)
		}
	}
	for _, g := range c.Gateways {
		set.gateway(g)
	}
	return set.err
}

// openTun opens the device that interfaces are made by.
func openTun(k *lkl.Kernel) (int, error) {
	path := "/tun-" + strconv.FormatUint(nodes.Add(1), 10)
	if err := k.Mknodat(unix.AT_FDCWD, path, unix.S_IFCHR|0o600, int(unix.Mkdev(misc, tunMinor))); err != nil {
		return -1, fmt.Errorf("mknod: %w", err)
	}
	defer k.Unlinkat(unix.AT_FDCWD, path, 0)
	fd, err := k.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open: %w", unsupported(err))
	}
	return fd, nil
}

// unsupported adds to errors of what is not there that it is not.
func unsupported(err error) error {
	switch err {
	case unix.ENODEV, unix.ENXIO, unix.ENOSYS, unix.EAFNOSUPPORT:
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	return err
}

// request returns a struct ifreq.
func request(name string) []byte {
	r := make([]byte, 40)
	copy(r[:unix.IFNAMSIZ-1], name)
	return r
}

// A setter makes ioctls until one fails.
type setter struct {
	k      *lkl.Kernel
	v4, v6 int // sockets; v6 is -1 without IPv6
	err    error
}

func (s *setter) ioctl(name string, fd int, req uint, arg []byte) {
	if s.err != nil {
		return
	}
	if _, err := s.k.Ioctl(fd, req, arg); err != nil {
		s.err = fmt.Errorf("%s: %w", name, err)
	}
}

// up brings an interface up.
func (s *setter) up(name string) {
	r := request(name)
	s.ioctl("SIOCGIFFLAGS", s.v4, unix.SIOCGIFFLAGS, r)
	flags := binary.NativeEndian.Uint16(r[unix.IFNAMSIZ:])
	binary.NativeEndian.PutUint16(r[unix.IFNAMSIZ:], flags|unix.IFF_UP)
	s.ioctl("SIOCSIFFLAGS", s.v4, unix.SIOCSIFFLAGS, r)
}

func (s *setter) mtu(name string, bytes int) {
	r := request(name)
	binary.NativeEndian.PutUint32(r[unix.IFNAMSIZ:], uint32(bytes))
	s.ioctl("SIOCSIFMTU", s.v4, unix.SIOCSIFMTU, r)
}

// putAddress puts a struct sockaddr_in.
func putAddress(b []byte, a netip.Addr) {
	binary.NativeEndian.PutUint16(b, unix.AF_INET)
	copy(b[4:], a.AsSlice())
}

func (s *setter) address4(p netip.Prefix) {
	r := request(Name)
	putAddress(r[unix.IFNAMSIZ:], p.Addr())
	s.ioctl("SIOCSIFADDR", s.v4, unix.SIOCSIFADDR, r)
	r = request(Name)
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-p.Bits()))
	putAddress(r[unix.IFNAMSIZ:], netip.AddrFrom4(mask))
	s.ioctl("SIOCSIFNETMASK", s.v4, unix.SIOCSIFNETMASK, r)
}

// index returns an interface's number.
func (s *setter) index(name string) uint32 {
	r := request(name)
	s.ioctl("SIOCGIFINDEX", s.v4, unix.SIOCGIFINDEX, r)
	return binary.NativeEndian.Uint32(r[unix.IFNAMSIZ:])
}

func (s *setter) address6(p netip.Prefix) {
	if s.v6 < 0 {
		return
	}
	r := make([]byte, 24) // struct in6_ifreq
	copy(r, p.Addr().AsSlice())
	binary.NativeEndian.PutUint32(r[16:], uint32(p.Bits()))
	binary.NativeEndian.PutUint32(r[20:], s.index(Name))
	s.ioctl("SIOCSIFADDR", s.v6, unix.SIOCSIFADDR, r)
}

// Flags of routes, of linux/route.h, and the metric that ip(8) gives those of IPv6.
const (
	routeUp      = 0x1
	routeGateway = 0x2
	metric6      = 1024
)

// gateway adds a default route.
func (s *setter) gateway(g netip.Addr) {
	if g.Is4() {
		r := make([]byte, 120) // struct rtentry
		putAddress(r[8:], netip.IPv4Unspecified())
		putAddress(r[24:], g)
		putAddress(r[40:], netip.IPv4Unspecified())
		binary.NativeEndian.PutUint16(r[56:], routeUp|routeGateway)
		s.ioctl("SIOCADDRT", s.v4, unix.SIOCADDRT, r)
		return
	}
	if s.v6 < 0 {
		return
	}
	r := make([]byte, 80) // struct in6_rtmsg
	copy(r[32:], g.AsSlice())
	binary.NativeEndian.PutUint32(r[56:], metric6)
	binary.NativeEndian.PutUint32(r[72:], routeUp|routeGateway)
	binary.NativeEndian.PutUint32(r[76:], s.index(Name))
	s.ioctl("SIOCADDRT", s.v6, unix.SIOCADDRT, r)
}

// Read waits for a packet that the kernel sends, and returns it, or as much as fits into p.
// It takes one of the kernel's workers while it waits, and returns an error when the kernel
// has ended.
func (i *Interface) Read(p []byte) (int, error) {
	i.reading.Lock()
	defer i.reading.Unlock()
	// In memory that no other call ever has to wait for.
	n, err := i.k.Read(i.fd, i.mem.Bytes())
	if err != nil {
		return 0, err
	}
	return copy(p, i.mem.Bytes()[:n]), nil
}

// Write hands a packet to the kernel. That it was not taken is an error, but no reason to
// stop: the interface may be down for now.
func (i *Interface) Write(p []byte) (int, error) { return i.k.Write(i.fd, p) }

// Close ends the interface. No call may be under way or follow.
func (i *Interface) Close() error {
	if i.mem != nil {
		i.mem.Free()
		i.mem = nil
	}
	if i.fd < 0 {
		return nil
	}
	fd := i.fd
	i.fd = -1
	return i.k.CloseFd(fd)
}
