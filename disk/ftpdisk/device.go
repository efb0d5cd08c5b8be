package ftpdisk

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/httpdisk"
	"github.com/unboot/unboot/internal/cause"
)

// The defaults of [Options].
const (
	DefaultPatience = time.Minute
	DefaultStall    = 30 * time.Second
)

const (
	// maxConns is how many connections there are at a time: servers let few of a host in.
	maxConns = 2
	// How long is waited before something is tried again.
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
)

// Options say how [Get] is to get at a file. The zero value has the defaults.
type Options struct {
	// Patience is for how long what fails is tried again without a byte having come.
	Patience time.Duration
	// Stall is for how long a server may send nothing.
	Stall time.Duration
	// TLS is the configuration for ftps:// and ftpes://, if not the usual one.
	TLS *tls.Config
}

// A Device is a file on an FTP server. It is a [disk.Device] for reading and a [disk.Meter].
type Device struct {
	scheme, address, path string
	user, password        string
	name                  string // for errors
	tls                   *tls.Config
	patience, stall       time.Duration
	version               version

	ctx    context.Context
	cancel context.CancelCauseFunc
	slots  chan struct{} // a place for each connection in use

	mu   sync.Mutex
	idle []*conn // guarded by mu

	requests, received atomic.Int64
}

// Open opens what a URL names. It is the Open of a source.Transport.
func Open(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	err := error(syscall.EROFS)
	var d *Device
	if !o.Writable {
		d, err = Get(ctx, u, Options{})
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: disk.Display(u.String()), Err: err}
	}
	return d, nil
}

// Get logs in to a server and looks at a file. ctx is the life of the device: when it ends,
// reads in flight return its cause.
func Get(ctx context.Context, u *url.URL, o Options) (*Device, error) {
	path := strings.TrimPrefix(u.Path, "/") // relative to the user's folder, as RFC 1738 has it
	if u.Hostname() == "" || path == "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(path, "\r\n\x00") {
		return nil, errors.New("an address that is not a host and a path (ftp://HOST/PATH)")
	}
	d := &Device{scheme: u.Scheme, path: path, name: disk.Display(u.String()), patience: cmp.Or(o.Patience, DefaultPatience),
		stall: cmp.Or(o.Stall, DefaultStall), slots: make(chan struct{}, maxConns), user: "anonymous", password: "anonymous"}
	port := "21"
	if u.Scheme == "ftps" {
		port = "990"
	}
	d.address = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	if u.Scheme != "ftp" {
		d.tls = &tls.Config{}
		if o.TLS != nil {
			d.tls = o.TLS.Clone()
		}
		d.tls.ServerName = cmp.Or(d.tls.ServerName, u.Hostname())
		// Some servers want a data connection to be by the same client.
		d.tls.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if u.User != nil {
		d.user = u.User.Username()
		d.password, _ = u.User.Password()
	} else if user, password, ok := httpdisk.Netrc(u.Hostname()); ok {
		d.user, d.password = user, password
	}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	c, err := d.connect(d.ctx)
	if err != nil {
		d.cancel(err)
		return nil, err
	}
	d.requests.Add(1)
	d.version = c.found
	d.idle = []*conn{c}
	return d, nil
}

// Size returns the size in bytes.
func (d *Device) Size() int64 { return d.version.size }

// fresh is how long ago a change must be to tell a version from a later one, as times are in
// whole seconds.
const fresh = 10 * time.Second

// Identity returns what tells this version of the file from others, or "" if the server does
// not say.
func (d *Device) Identity() string {
	if t := d.version.mtime; t.IsZero() || time.Since(t).Abs() < fresh {
		return ""
	}
	return fmt.Sprintf("%d %d", d.version.size, d.version.mtime.Unix())
}

// Traffic implements [disk.Meter].
func (d *Device) Traffic() disk.Traffic {
	return disk.Traffic{Requests: d.requests.Load(), Received: d.received.Load()}
}

// ReadAt implements [io.ReaderAt].
func (d *Device) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, d.wrap(syscall.EINVAL)
	}
	var eof error
	if left := d.Size() - off; int64(len(p)) > left {
		p, eof = p[:max(left, 0)], io.EOF
	}
	select {
	case d.slots <- struct{}{}:
	case <-d.ctx.Done():
		return 0, d.wrap(cause.Of(d.ctx))
	}
	defer func() { <-d.slots }()
	end, wait := time.Now().Add(d.patience), firstWait
	for n < len(p) {
		got, err := d.once(p[n:], off+int64(n))
		n += got
		d.received.Add(int64(got))
		switch {
		case err == nil:
			continue
		case d.ctx.Err() != nil:
			return n, d.wrap(cause.Of(d.ctx))
		case final(err):
			return n, d.wrap(err)
		case got > 0:
			end, wait = time.Now().Add(d.patience), firstWait
		}
		if time.Now().Add(wait).After(end) {
			return n, d.wrap(fmt.Errorf("%w (and so for %v)", err, d.patience))
		}
		select {
		case <-d.ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, lastWait)
	}
	return n, eof
}

// once reads by one connection, which is kept if nothing fails.
func (d *Device) once(p []byte, off int64) (n int, err error) {
	c := d.take(off)
	if c == nil {
		if c, err = d.connect(d.ctx); err != nil {
			return 0, err
		}
		if c.found.size != d.version.size || !c.found.mtime.Equal(d.version.mtime) {
			c.end()
			return 0, fmt.Errorf("%w: it has %d bytes now, and had %d", ErrChanged, c.found.size, d.version.size)
		}
	}
	d.requests.Add(1)
	if n, err = c.read(d.path, p, off); err != nil {
		c.end()
		return n, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, c)
	return n, nil
}

// take returns a connection that is not in use: one that is where it is read on, if there is
// one.
func (d *Device) take(off int64) *conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.idle) == 0 {
		return nil
	}
	at := 0
	for i, c := range d.idle {
		if c.body != nil && c.pos == off {
			at = i
		}
	}
	c := d.idle[at]
	d.idle = append(d.idle[:at:at], d.idle[at+1:]...)
	return c
}

// WriteAt fails with EROFS.
func (d *Device) WriteAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: d.name, Err: syscall.EROFS}
}

// Flush does nothing, as there is nothing that was written.
func (d *Device) Flush() error { return nil }

// Close ends all connections.
func (d *Device) Close() error {
	d.cancel(fs.ErrClosed)
	return nil
}

func (d *Device) wrap(err error) error { return &fs.PathError{Op: "read", Path: d.name, Err: err} }
