package link

import (
	"crypto/tls"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Limit has a connection fail when the host of the peer has not acknowledged what was sent for
// so long (tcp(7), TCP_USER_TIMEOUT). That says nothing of how long the peer may take for an
// answer, but finds out that it is gone.
func Limit(c net.Conn, d time.Duration) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := t.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
		})
	}
}
