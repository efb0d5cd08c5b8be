package sshdisk

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/link"
)

// The defaults of [Options].
const (
	DefaultPatience = time.Minute
	DefaultStall    = 30 * time.Second
)

// Options say how [Dial] is to open a file. The zero value is for reading.
type Options struct {
	// Writable opens for reading and writing.
	Writable bool
	// Patience is how long a lost connection is tried to be made again.
	Patience time.Duration
	// Stall is how long a server may say nothing while it owes an answer, before the
	// connection is taken for lost; ten times as long for a flush.
	Stall time.Duration
}

// A Device is a file of a host. It is a [disk.Device], a [disk.Meter] and, if it is open for
// writing, a [disk.Resizer] that also grows as it is written to.
type Device struct {
	dial     *dialer
	path     string
	name     string // for errors
	writable bool
	opened   version
	checked  atomic.Int64 // when the file was looked at, in nanoseconds since 1970
	size     atomic.Int64
	most     atomic.Int64 // that the size can be, by what was not answered
	written  atomic.Bool  // the time of the file says nothing any more

	ctx    context.Context
	cancel context.CancelCauseFunc
	link   *link.Link[*conn]

	unflushed link.Unflushed[write]

	requests, received, sent atomic.Int64
}

// Open opens what a URL names: see [ParseURL]. It is the Open of a source.Transport.
func Open(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	a, err := ParseURL(u)
	if err == nil {
		var d *Device
		if d, err = dial(ctx, a, disk.Display(u.String()), Options{Writable: o.Writable}); err == nil {
			return d, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: disk.Display(u.String()), Err: err}
}

// Dial connects to a host and opens a file of it. ctx is the life of the device: when it ends,
// requests in flight return its cause.
func Dial(ctx context.Context, a *Address, o Options) (*Device, error) {
	return dial(ctx, a, "ssh://"+a.Host+"/"+strings.TrimLeft(a.Path, "/"), o)
}

func dial(ctx context.Context, a *Address, name string, o Options) (*Device, error) {
	dialer, err := newDialer(a, cmp.Or(o.Stall, DefaultStall))
	if err != nil {
		return nil, err
	}
	c, err := dialer.open(ctx, a.Path, o.Writable)
	if err != nil {
		return nil, err
	}
	d := &Device{dial: dialer, path: a.Path, name: name, writable: o.Writable, opened: c.found}
	d.size.Store(c.found.size)
	d.most.Store(c.found.size)
	d.checked.Store(time.Now().UnixNano())
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	d.link = link.New(d.ctx, c, cmp.Or(o.Patience, DefaultPatience), d.again, final)
	return d, nil
}

// again connects and makes sure that the file is the one that it was.
func (d *Device) again(ctx context.Context) (*conn, error) {
	c, err := d.dial.open(ctx, d.path, d.writable)
	if err != nil {
		return nil, err
	}
	if err = d.same(c.found); err == nil {
		err = d.restore(ctx, c)
	}
	if err != nil {
		c.disconnect()
		return nil, err
	}
	return c, nil
}

// same returns an error for a file that is not the one that was opened.
func (d *Device) same(v version) error {
	size := d.size.Load()
	if !d.written.Load() {
		switch {
		case v.size != size:
			return fmt.Errorf("%w: it has %d bytes now, and had %d", ErrChanged, v.size, size)
		case !v.mtime.Equal(d.opened.mtime):
			return fmt.Errorf("%w: at %s", ErrChanged, v.mtime.UTC().Format(time.RFC3339))
		}
		return nil
	}
	// What was not flushed may be gone, or there without an answer.
	if v.size > d.most.Load() || v.size < size && !d.unflushed.Any() {
		return fmt.Errorf("%w: it has %d bytes now, and had %d", ErrChanged, v.size, size)
	}
	return nil
}

// Size returns the size in bytes.
func (d *Device) Size() int64 { return d.size.Load() }

// Writable implements [disk.Permission].
func (d *Device) Writable() bool { return d.writable }

// fresh is how long ago a change must be to tell a version from a later one: the time of a file
// is in whole seconds, and by the clock of the host.
const fresh = 10 * time.Second

// Identity returns what tells this version of the file from others, or "" if it is being
// changed.
func (d *Device) Identity() string {
	if d.writable || time.Since(d.opened.mtime).Abs() < fresh {
		return ""
	}
	return fmt.Sprintf("%d %d", d.opened.size, d.opened.mtime.Unix())
}

// Traffic implements [disk.Meter].
func (d *Device) Traffic() disk.Traffic {
	return disk.Traffic{Requests: d.requests.Load(), Received: d.received.Load(), Sent: d.sent.Load()}
}

// closePatience is how long Close waits for a server that is gone.
const closePatience = 3 * time.Second

// Close flushes what was written and not flushed, and ends the connection. For a server that is
// gone it waits some seconds only; the error says what that may have lost.
func (d *Device) Close() error {
	var err error
	if d.unflushed.Any() {
		d.link.Hurry(closePatience)
		link.Limit(d.link.Conn().raw.Conn, closePatience)
		err = d.wrap("flush", d.unflushed.Explain(d.flush()))
	}
	d.link.Close().disconnect()
	d.cancel(fs.ErrClosed)
	return err
}

var (
	_ disk.Device  = (*Device)(nil)
	_ disk.Resizer = (*Device)(nil)
	_ disk.Meter   = (*Device)(nil)
)
