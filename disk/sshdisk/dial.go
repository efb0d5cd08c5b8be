package sshdisk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/unboot/unboot/disk/internal/link"
	"github.com/unboot/unboot/internal/cause"
)

const (
	// dialTime is how long it may take to connect and to be let in.
	dialTime = 30 * time.Second
	// maxJumps is how many hosts there may be on the way.
	maxJumps = 8
)

// A dialer connects to a host.
type dialer struct {
	config *config
	peer   *peer
	stall  time.Duration
}

func newDialer(a *Address, stall time.Duration) (*dialer, error) {
	c, err := readConfig()
	if err != nil {
		return nil, err
	}
	d := &dialer{config: c, peer: c.peer(a.User, a.Host, a.Port), stall: stall}
	if len(d.peer.jumps) > maxJumps {
		return nil, fmt.Errorf("ProxyJump: more than %d hosts", maxJumps)
	}
	return d, nil
}

// way returns the hosts to connect to, one through the other.
func (d *dialer) way() ([]*peer, error) {
	var list []*peer
	for _, j := range d.peer.jumps {
		u, err := url.Parse("ssh://" + strings.TrimPrefix(strings.TrimSpace(j), "ssh://"))
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("ProxyJump: %q is not a host", j)
		}
		list = append(list, d.config.peer(u.User.Username(), u.Hostname(), u.Port()))
	}
	return append(list, d.peer), nil
}

// A stream is a network connection on which a peer that owes something must not be silent.
type stream struct {
	net.Conn
	limit  *link.Reader
	silent atomic.Bool // it was, for too long
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.limit.Read(p)
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		s.silent.Store(true)
	}
	return n, err
}

var errSilent = errors.New("the server does not answer")

// dial connects. It ends with ctx, or after dialTime.
func (d *dialer) dial(ctx context.Context) (raw *stream, client *ssh.Client, err error) {
	way, err := d.way()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, dialTime, errSilent)
	defer cancel()
	c, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(way[0].host, way[0].port))
	if err != nil {
		return nil, nil, err
	}
	link.Limit(c, d.stall)
	raw = &stream{Conn: c, limit: link.NewReader(c)}
	raw.limit.Expect(d.stall) // until the file is open
	stop := context.AfterFunc(ctx, func() { c.Close() })
	for i, p := range way {
		through := net.Conn(raw)
		if i > 0 {
			if through, err = client.Dial("tcp", net.JoinHostPort(p.host, p.port)); err != nil {
				err = fmt.Errorf("through %s: %w", way[i-1].host, err)
				break
			}
		}
		if client, err = p.enter(through); err != nil {
			break
		}
	}
	if !stop() {
		err = cmp.Or(cause.Of(ctx), err)
	}
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return raw, client, nil
}

// enter makes sure who the host is, and proves who we are.
func (p *peer) enter(c net.Conn) (*ssh.Client, error) {
	v, err := newVerifier(p)
	if err != nil {
		return nil, err
	}
	i := &identity{peer: p}
	defer i.close()
	var foreign error
	o := &ssh.ClientConfig{User: p.user, Auth: i.methods(), HostKeyAlgorithms: v.algorithms(), ClientVersion: "SSH-2.0-unboot",
		HostKeyCallback: func(name string, at net.Addr, key ssh.PublicKey) error {
			foreign = v.verify(name, at, key)
			return foreign
		}}
	conn, channels, requests, err := ssh.NewClientConn(c, p.host, o)
	if foreign != nil {
		return nil, foreign
	}
	if err != nil {
		return nil, i.explain(err)
	}
	return ssh.NewClient(conn, channels, requests), nil
}
