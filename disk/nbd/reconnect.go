package nbd

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/unboot/unboot/internal/cause"
)

// How long is waited between attempts to connect again.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// An outage is the time without a connection.
type outage struct {
	done chan struct{}
	err  error // why there is no connection; read after done
}

// do sends a request, and again on another connection if there was no answer to it.
func (d *Device) do(q *request) error {
	var first time.Time // that it was not answered
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		c, err := d.connection()
		if err != nil {
			return err
		}
		d.requests.Add(1)
		err = c.do(q)
		if q.typ == cmdRead {
			d.received.Add(q.got.sum)
		} else {
			d.sent.Add(int64(len(q.data)))
		}
		switch {
		case errors.Is(err, syscall.ESHUTDOWN):
			c.end(errors.New("the server is shutting down"))
		case !errors.Is(err, ErrLost):
			return err
		case d.ctx.Err() != nil:
			return cause.Of(d.ctx)
		}
		switch {
		case first.IsZero():
			first = time.Now()
			continue
		case time.Since(first) > d.patience:
			return fmt.Errorf("the same request is not answered each time: %w", err)
		}
		select {
		case <-d.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// connection returns the connection, or waits for another one.
func (d *Device) connection() (*conn, error) {
	d.mu.Lock()
	if d.ctx.Err() != nil {
		d.mu.Unlock()
		return nil, cause.Of(d.ctx)
	}
	c := d.conn
	why := c.failed()
	if why == nil {
		d.mu.Unlock()
		return c, nil
	}
	o := d.outage
	if o == nil {
		patience := d.patience
		if d.down != nil {
			// All was tried once. From now on, it must not take long.
			if patience = 0; time.Since(d.tried) < lastWait {
				defer d.mu.Unlock()
				return nil, d.down
			}
		}
		o = &outage{done: make(chan struct{})}
		d.outage = o
		go d.reconnect(o, why, patience)
	}
	d.mu.Unlock()
	<-o.done
	if o.err != nil {
		return nil, o.err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conn, nil
}

// reconnect tries to connect until it is there, or patience is at an end.
func (d *Device) reconnect(o *outage, why error, patience time.Duration) {
	c, err := d.retry(why, patience)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down, d.tried = err, time.Now(); err == nil {
		d.conn = c
		// The context may have ended before it was there to be ended.
		if d.ctx.Err() != nil {
			c.end(cause.Of(d.ctx))
		}
	}
	o.err, d.outage = err, nil
	close(o.done)
}

func (d *Device) retry(why error, patience time.Duration) (*conn, error) {
	end := time.Now().Add(patience)
	ctx, cancel := context.WithDeadline(d.ctx, end.Add(lastWait))
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		c, err := d.again(ctx)
		if err == nil || errors.Is(err, ErrChanged) {
			return c, err
		}
		if d.ctx.Err() != nil {
			return nil, cause.Of(d.ctx)
		}
		if time.Now().Add(wait).After(end) {
			return nil, fmt.Errorf("%w: %w; connecting again: %w", ErrLost, why, err)
		}
		select {
		case <-d.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// again connects and makes sure that all is there as it was.
func (d *Device) again(ctx context.Context) (*conn, error) {
	c, err := d.dial.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err = d.same(c); err == nil {
		err = d.restore(ctx, c)
	}
	if err != nil {
		c.disconnect()
		return nil, err
	}
	return c, nil
}

// same returns an error for an export that is not what it was.
func (d *Device) same(c *conn) error {
	e := &c.export
	switch {
	case e.Size != d.export.Size:
		return fmt.Errorf("%w: it has %d bytes now, and had %d", ErrChanged, e.Size, d.export.Size)
	case d.status && !c.status || d.writable && e.flags != d.export.flags || e.MinBlock > d.export.MinBlock || e.MaxBlock < min(d.export.MaxBlock, piece):
		return fmt.Errorf("%w: the server takes other requests now", ErrChanged)
	}
	return nil
}

// restore writes again what was not flushed.
func (d *Device) restore(ctx context.Context, c *conn) error {
	stop := context.AfterFunc(ctx, func() { c.end(cause.Of(ctx)) })
	defer stop()
	err := d.unflushed.each(c.do)
	if err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("%w: what was not flushed could not be written again: %w", ErrChanged, err)
	}
	return err
}
