// Package wire is what package netproc and its process say to each other.
package wire

import (
	"errors"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// A Hello is the first line that the process writes, in JSON.
type Hello struct {
	Error     string         `json:"error,omitempty"` // and nothing else
	Addresses []netip.Prefix `json:"addresses"`
	Gateways  []netip.Addr   `json:"gateways"`
	MTU       int            `json:"mtu"`
	Resolv    []byte         `json:"resolv"`
}

// A Refusal is each of the other lines.
type Refusal struct {
	To  netip.AddrPort `json:"to"`
	Why string         `json:"why"`
}

// Socket is the descriptor that the process has its packets from, of a socket that keeps
// their bounds.
const Socket = 3

// Conn makes a connection of a socket's descriptor, which it takes.
func Conn(fd int) (*net.UnixConn, error) {
	// As many packets as the host lets it.
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	f := os.NewFile(uintptr(fd), "network")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, errors.New("not a Unix socket")
	}
	return u, nil
}
