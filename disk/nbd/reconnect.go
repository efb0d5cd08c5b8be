package nbd

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/unboot/unboot/internal/cause"
)

// do sends a request, and again on another connection if there was no answer to it.
func (d *Device) do(q *request) error {
	return d.link.Do(func(c *conn) error {
		d.requests.Add(1)
		err := c.do(q)
		if q.typ == cmdRead {
			d.received.Add(q.got.sum)
		} else {
			d.sent.Add(int64(len(q.data)))
		}
		if errors.Is(err, syscall.ESHUTDOWN) {
			c.End(errors.New("the server is shutting down"))
			err = &lostError{Err: err}
		}
		return err
	})
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

// changed reports whether there is no use in connecting again.
func changed(err error) bool { return errors.Is(err, ErrChanged) }

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
	stop := context.AfterFunc(ctx, func() { c.End(cause.Of(ctx)) })
	defer stop()
	err := d.unflushed.Each(c.do)
	if err != nil && !errors.Is(err, ErrLost) {
		return fmt.Errorf("%w: what was not flushed could not be written again: %w", ErrChanged, err)
	}
	return err
}
