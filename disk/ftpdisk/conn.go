package ftpdisk

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/unboot/unboot/internal/cause"
)

// dialTime is how long it may take to connect.
const dialTime = 30 * time.Second

// A version is what a server says of a file to tell it from others.
type version struct {
	size  int64
	mtime time.Time // zero if it does not say
}

// A conn is a control connection, with a transfer that may be under way.
type conn struct {
	*ftp.ServerConn
	found version
	body  *ftp.Response // or nil
	pos   int64         // of what it gives next

	mu   sync.Mutex
	open []net.Conn // guarded by mu
	over bool       // guarded by mu
}

// A patient is a network connection on which each read and write has a time of its own.
type patient struct {
	net.Conn
	stall time.Duration
}

func (p patient) Read(b []byte) (int, error) {
	p.SetReadDeadline(time.Now().Add(p.stall))
	return p.Conn.Read(b)
}

func (p patient) Write(b []byte) (int, error) {
	p.SetWriteDeadline(time.Now().Add(p.stall))
	return p.Conn.Write(b)
}

// connect logs in and looks at the file. The connection ends with ctx.
func (d *Device) connect(ctx context.Context) (*conn, error) {
	c := &conn{}
	stop := context.AfterFunc(ctx, c.end)
	host := ""
	dial := func(network, address string) (net.Conn, error) {
		control := host == ""
		if !control {
			// Not to another host, whatever the server says.
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			address = net.JoinHostPort(host, port)
		}
		raw, err := (&net.Dialer{Timeout: dialTime, KeepAlive: 15 * time.Second}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if !c.keep(raw) {
			return nil, cause.Of(ctx)
		}
		if control {
			host, _, _ = net.SplitHostPort(raw.RemoteAddr().String())
		}
		n := net.Conn(patient{raw, d.stall})
		if d.tls != nil && (!control || d.scheme == "ftps") {
			n = tls.Client(n, d.tls)
		}
		return n, nil
	}
	options := []ftp.DialOption{ftp.DialWithDialFunc(dial), ftp.DialWithShutTimeout(d.stall)}
	switch {
	case d.scheme == "ftpes":
		options = append(options, ftp.DialWithExplicitTLS(d.tls))
	case d.tls != nil:
		options = append(options, ftp.DialWithTLS(d.tls))
	}
	s, err := ftp.Dial(d.address, options...)
	if err == nil {
		c.ServerConn = s
		err = d.begin(c)
	}
	if err != nil {
		c.end()
		if stop(); ctx.Err() != nil {
			err = cause.Of(ctx)
		}
		return nil, err
	}
	return c, nil
}

// begin logs in and looks at the file.
func (d *Device) begin(c *conn) (err error) {
	if err = c.Login(d.user, d.password); err != nil {
		return denied(err)
	}
	if c.found.size, err = c.FileSize(d.path); err != nil {
		return missing(err)
	}
	if c.found.size < 0 {
		return errors.New("a file of a negative size")
	}
	if c.IsGetTimeSupported() {
		c.found.mtime, err = c.GetTime(d.path)
	}
	return err
}

// keep notes a connection that is to end with this one, unless that has ended.
func (c *conn) keep(n net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		n.Close()
		return false
	}
	if len(c.open) > 1 {
		c.open = c.open[:1] // those of transfers before are closed
	}
	c.open = append(c.open, n)
	return true
}

// end closes everything.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, n := range c.open {
		n.Close()
	}
}

// read fills p with what is at off.
func (c *conn) read(path string, p []byte, off int64) (int, error) {
	if c.body != nil && c.pos != off {
		err := c.body.Close()
		c.body = nil
		// That it was broken off is what the server says then.
		if _, answer := errors.AsType[*textproto.Error](err); err != nil && !answer {
			return 0, err
		}
	}
	if c.body == nil {
		body, err := c.RetrFrom(path, uint64(off))
		if err != nil {
			return 0, missing(err)
		}
		c.body, c.pos = body, off
	}
	n, err := io.ReadFull(c.body, p)
	if c.pos += int64(n); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
