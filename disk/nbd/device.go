package nbd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/link"
	"github.com/unboot/unboot/internal/cause"
)

// The defaults of [Options].
const (
	DefaultPatience = time.Minute
	DefaultStall    = 30 * time.Second
)

// Options say how [Dial] is to open an export. The zero value is for reading.
type Options struct {
	// Writable opens for reading and writing. An export that can only be read is an error
	// that wraps syscall.EROFS then.
	Writable bool
	// Patience is how long a lost connection is tried to be made again.
	Patience time.Duration
	// Stall is how long a server may say nothing while it owes an answer, before the
	// connection is taken for lost. For what can take long, such as a flush, it is ten
	// times as long.
	Stall time.Duration
	// Name is what errors call the device: by default, the host or the socket.
	Name string
}

// A Device is an export of a server. It is a [disk.Device], a [disk.Extenter], and, as far as
// the server goes along, a [disk.Discarder] and a [disk.ZeroWriter].
type Device struct {
	dial     *dialer
	name     string // for errors
	export   Export // as it was at first
	writable bool
	status   bool // the server says what is a hole

	ctx    context.Context
	cancel context.CancelCauseFunc
	link   *link.Link[*conn]

	requests, received, sent atomic.Int64

	unflushed link.Unflushed[*request]
	edges     sync.RWMutex // held for writing by those who write a part of a block
}

// Open opens what a URL names: see [ParseURL]. It is the Open of a source.Transport.
func Open(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	a, err := ParseURL(u)
	if err == nil {
		var d *Device
		if d, err = dial(ctx, a, u.Redacted(), Options{Writable: o.Writable}); err == nil {
			return d, nil
		}
	}
	return nil, &fs.PathError{Op: "open", Path: u.Redacted(), Err: err}
}

// Dial connects to a server and opens an export of it. ctx is the life of the device: when it
// ends, requests in flight return its cause.
func Dial(ctx context.Context, a *Address, o Options) (*Device, error) {
	return dial(ctx, a, cmp.Or(o.Name, a.Host), o)
}

func dial(ctx context.Context, a *Address, name string, o Options) (*Device, error) {
	dialer, err := newDialer(a, cmp.Or(o.Stall, DefaultStall))
	if err != nil {
		return nil, err
	}
	c, err := dialer.connect(ctx)
	if err != nil {
		return nil, err
	}
	if o.Writable && c.export.ReadOnly {
		c.disconnect()
		return nil, syscall.EROFS
	}
	d := &Device{dial: dialer, name: name, export: c.export, writable: o.Writable, status: c.status}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	d.link = link.New(d.ctx, c, cmp.Or(o.Patience, DefaultPatience), d.again, changed)
	return d, nil
}

// Export returns what the server says of the export.
func (d *Device) Export() Export { return d.export }

// Traffic implements [disk.Meter].
func (d *Device) Traffic() disk.Traffic {
	return disk.Traffic{Requests: d.requests.Load(), Received: d.received.Load(), Sent: d.sent.Load()}
}

// Size returns the size in bytes.
func (d *Device) Size() int64 { return d.export.usable() }

// ReadAt implements [io.ReaderAt].
func (d *Device) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, d.wrap("read", syscall.EINVAL)
	}
	var eof error
	if left := d.Size() - off; int64(len(p)) > left {
		p, eof = p[:max(left, 0)], io.EOF
	}
	if err := d.read(p, off); err != nil {
		return 0, d.wrap("read", err)
	}
	return len(p), eof
}

// WriteAt implements [io.WriterAt].
func (d *Device) WriteAt(p []byte, off int64) (int, error) {
	err := d.inside(off, int64(len(p)))
	if err == nil {
		err = d.write(p, off)
	}
	if err != nil {
		return 0, d.wrap("write", err)
	}
	return len(p), nil
}

// inside checks a range that is to be changed.
func (d *Device) inside(off, n int64) error {
	switch {
	case !d.writable:
		return syscall.EROFS
	case off < 0 || n < 0:
		return syscall.EINVAL
	case off > d.Size() || n > d.Size()-off:
		return syscall.ENOSPC
	}
	return nil
}

// Discard implements [disk.Discarder]. It does nothing if the server has no such thing.
func (d *Device) Discard(off, n int64) error {
	err := d.inside(off, n)
	if err == nil && d.export.can(exportTrim) {
		// Only whole blocks can be forgotten.
		start := roundUp(off, d.block())
		err = d.pieces(cmdTrim, start, (off+n)/d.block()*d.block()-start)
	}
	return d.wrap("discard", err)
}

// WriteZeroes implements [disk.ZeroWriter].
func (d *Device) WriteZeroes(off, n int64) error {
	err := d.inside(off, n)
	if err == nil {
		err = d.zero(off, n)
	}
	return d.wrap("write zeroes", err)
}

// maxRange is how much a request without data is for, at most.
const maxRange = 1 << 30

// pieces sends requests without data for a range of whole blocks.
func (d *Device) pieces(typ uint16, off, n int64) error {
	d.edges.RLock()
	defer d.edges.RUnlock()
	for n > 0 {
		q := &request{typ: typ, flags: d.fua(), off: off, length: uint32(min(n, maxRange))}
		if err := d.change(q); err != nil {
			return err
		}
		off += int64(q.length)
		n -= int64(q.length)
	}
	return nil
}

// fua is the flag of what must be stable at once, since the server cannot flush.
func (d *Device) fua() uint16 {
	if !d.export.can(exportFlush) && d.export.can(exportFUA) {
		return cmdFlagFUA
	}
	return 0
}

// Flush makes stable what has been written. A server that has no such request is one that
// has done so already.
func (d *Device) Flush() error {
	return d.wrap("flush", d.flush())
}

func (d *Device) flush() error {
	if !d.writable || !d.export.can(exportFlush) {
		return nil
	}
	epoch := d.unflushed.Begin()
	if err := d.do(&request{typ: cmdFlush}); err != nil {
		return err
	}
	d.unflushed.Drop(epoch)
	return nil
}

// closePatience is how long Close waits for a server that is gone.
const closePatience = 3 * time.Second

// Close flushes what was written and not flushed, and ends the connection. For a server that is
// gone it waits some seconds only; the error says what that may have lost.
func (d *Device) Close() error {
	var err error
	if d.unflushed.Any() {
		d.link.Hurry(closePatience)
		link.Limit(d.link.Conn().Conn, closePatience)
		err = d.wrap("flush", d.unflushed.Explain(d.flush()))
	}
	d.link.Close().disconnect()
	d.cancel(fs.ErrClosed)
	return err
}

// wrap names the device in an error.
func (d *Device) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrLost) && d.ctx.Err() != nil {
		err = cause.Of(d.ctx)
	}
	return &fs.PathError{Op: op, Path: d.name, Err: err}
}

// block returns what requests must be multiples of.
func (d *Device) block() int64 { return int64(d.export.MinBlock) }

func roundUp(n, unit int64) int64 {
	if n > math.MaxInt64-unit {
		return n
	}
	return (n + unit - 1) / unit * unit
}

var (
	_ disk.Device     = (*Device)(nil)
	_ disk.Extenter   = (*Device)(nil)
	_ disk.Discarder  = (*Device)(nil)
	_ disk.ZeroWriter = (*Device)(nil)
)
