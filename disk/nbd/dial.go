package nbd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/unboot/unboot/internal/cause"
)

// handshakeTime is how long a server has to connect and haggle.
const handshakeTime = 30 * time.Second

// A dialer makes connections to a server.
type dialer struct {
	address Address
	tls     *tls.Config // nil without TLS
	stall   time.Duration
}

func newDialer(a *Address, stall time.Duration) (*dialer, error) {
	d := &dialer{address: *a, stall: stall}
	if a.TLS {
		var err error
		if d.tls, err = a.clientTLS(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// haggle connects, and has something done with the session. It ends with ctx, or after
// handshakeTime. The connection is closed if do fails.
func (d *dialer) haggle(ctx context.Context, do func(*session) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, handshakeTime, errors.New("the server does not answer"))
	defer cancel()
	c, err := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, d.address.Network, d.address.Host)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	s := newSession(c)
	err = d.prepare(ctx, s)
	if err == nil {
		err = do(s)
	}
	if !stop() {
		err = cause.Of(ctx)
	}
	if err != nil {
		s.Close()
	}
	return err
}

// prepare does what comes before an export is spoken of.
func (d *dialer) prepare(ctx context.Context, s *session) error {
	if err := s.greet(); err != nil {
		return err
	}
	if d.tls == nil {
		return nil
	}
	if !s.fixed {
		return fmt.Errorf("%w: the server has none (nbd://)", ErrTLS)
	}
	return s.startTLS(ctx, d.tls)
}

// connect begins the transmission of the export.
func (d *dialer) connect(ctx context.Context) (*conn, error) {
	var c *conn
	err := d.haggle(ctx, func(s *session) (err error) {
		c, err = s.transmission(d.address.Export, d.stall)
		return err
	})
	if err != nil {
		return nil, err
	}
	go c.receive()
	return c, nil
}

// transmission haggles about an export, and begins its transmission.
func (s *session) transmission(name string, stall time.Duration) (*conn, error) {
	if !s.fixed {
		e, err := s.enterOld(name)
		return newConn(s, e, stall), err
	}
	var context uint32
	structured, status := false, false
	err := s.ask(optStructuredReply, nil)
	if err == nil {
		structured = true
		context, status, err = s.setMeta(name)
	} else if _, refused := errors.AsType[*refusal](err); refused {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	e, err := s.enter(name)
	if r, ok := errors.AsType[*refusal](err); ok && r.typ == repErrUnknown {
		return nil, fmt.Errorf("%w %q%s", ErrExport, name, s.others())
	}
	if err != nil {
		return nil, err
	}
	c := newConn(s, e, stall)
	c.structured, c.context, c.status = structured, context, status
	return c, nil
}

// List returns the exports that a server offers, with what it says of each. A server may not
// list those that it has.
func List(ctx context.Context, a *Address) ([]Export, error) {
	d, err := newDialer(a, 0)
	if err != nil {
		return nil, err
	}
	var list []Export
	err = d.haggle(ctx, func(s *session) error {
		defer s.Close()
		var err error
		if list, err = s.list(); err != nil {
			return err
		}
		for i, e := range list {
			full, err := s.info(optInfo, e.Name)
			if _, refused := errors.AsType[*refusal](err); refused {
				continue
			}
			if err != nil {
				return err
			}
			full.Name = e.Name
			if full.Description == "" {
				full.Description = e.Description
			}
			list[i] = full
		}
		return writeOption(s, optAbort, nil)
	})
	return list, err
}
