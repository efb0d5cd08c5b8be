package httpdisk

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/cause"
)

const (
	// DefaultHead is the default of [Options.Head].
	DefaultHead = 64 << 10
	// openHead is what [Open] has: a block of the cache that package source has in front.
	openHead = 512 << 10
	// maxFlight is how many requests are under way at a time.
	maxFlight = 8
)

// The defaults of [Options].
const (
	DefaultPatience = time.Minute
	DefaultStall    = 30 * time.Second
)

// Options say how [Get] is to get at a file. The zero value has the defaults.
type Options struct {
	// Transport does the requests, if not the one that all devices share.
	Transport http.RoundTripper
	// Name is what errors call the file, if not by its URL.
	Name string
	// Identity tells the version of the file from others, if not what the server says.
	Identity string
	// Head is how many bytes the first request is for. They are kept.
	Head int
	// Patience is for how long what fails is tried again without a byte having come.
	Patience time.Duration
	// Stall is for how long a server may send nothing before a request is given up and
	// repeated.
	Stall time.Duration
}

// A Device is a file on a web server. It is a [disk.Device] for reading and a [disk.Meter].
type Device struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	client   *http.Client
	url      *url.URL
	auth     authorization
	name     string // for errors
	known    string // what tells the version from others, if not what the server says
	patience time.Duration
	stall    time.Duration

	version version
	head    []byte
	flight  chan struct{} // a place for each request under way

	mu sync.Mutex
	at *url.URL // guarded by mu: where the last redirect has led

	requests, received atomic.Int64
}

// Open opens what a URL names. It is the Open of a source.Transport.
func Open(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	var d *Device
	err := error(syscall.EROFS)
	if !o.Writable {
		d, err = Get(ctx, u, Options{Head: openHead})
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: disk.Display(u.String()), Err: err}
	}
	return d, nil
}

// Get asks a server for a file. ctx is the life of the device: when it ends, reads in flight
// return its cause.
func Get(ctx context.Context, u *url.URL, o Options) (*Device, error) {
	if u.Host == "" {
		return nil, errors.New("a URL without a host")
	}
	if o.Transport == nil {
		o.Transport = transport()
	}
	plain := *u
	plain.User, plain.Fragment, plain.RawFragment = nil, "", ""
	d := &Device{url: &plain, at: &plain, auth: authorize(u), name: cmp.Or(o.Name, disk.Display(u.String())), known: o.Identity,
		patience: cmp.Or(o.Patience, DefaultPatience), stall: cmp.Or(o.Stall, DefaultStall), flight: make(chan struct{}, maxFlight)}
	d.client = newClient(o.Transport, &d.auth)
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	if err := d.begin(cmp.Or(o.Head, DefaultHead)); err != nil {
		d.cancel(err)
		return nil, err
	}
	return d, nil
}

// begin makes the first request.
func (d *Device) begin(most int) error {
	head := make([]byte, most)
	first := true
	n, err := d.retry(head, 0, func(p []byte, off int64) (int, error) {
		n, err := d.once(p, off, func(got span, v version) error {
			if first {
				d.version, first = v, false
				return nil
			}
			return d.version.same(v)
		})
		if err == nil && off+int64(n) < d.version.size && n < len(p) {
			return n, nil // a part, on which more follows
		}
		if err == nil {
			err = io.EOF
		}
		return n, err
	})
	if errors.Is(err, errEmpty) {
		d.version, err = version{}, nil
	}
	d.head = head[:n]
	return err
}

// Size returns the size in bytes.
func (d *Device) Size() int64 { return d.version.size }

// Identity returns what tells this version of the file from others, which is the ETag or the
// time of the last change; or "" if the server says neither.
func (d *Device) Identity() string { return cmp.Or(d.known, d.version.identity()) }

// Traffic implements [disk.Meter].
func (d *Device) Traffic() disk.Traffic {
	return disk.Traffic{Requests: d.requests.Load(), Received: d.received.Load()}
}

// ReadAt implements [io.ReaderAt], by one request if nothing fails.
func (d *Device) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, d.wrap(syscall.EINVAL)
	}
	var eof error
	if left := d.Size() - off; int64(len(p)) > left {
		p, eof = p[:max(left, 0)], io.EOF
	}
	if off < int64(len(d.head)) {
		n = copy(p, d.head[off:])
	}
	if n < len(p) {
		select {
		case d.flight <- struct{}{}:
		case <-d.ctx.Done():
			return 0, d.wrap(cause.Of(d.ctx))
		}
		defer func() { <-d.flight }()
		got, err := d.retry(p[n:], off+int64(n), func(p []byte, off int64) (int, error) {
			return d.once(p, off, func(_ span, v version) error { return d.version.same(v) })
		})
		if n += got; err != nil {
			return n, d.wrap(err)
		}
	}
	return n, eof
}

// WriteAt fails with EROFS.
func (d *Device) WriteAt([]byte, int64) (int, error) {
	return 0, &fs.PathError{Op: "write", Path: d.name, Err: syscall.EROFS}
}

// Flush does nothing, as there is nothing that was written.
func (d *Device) Flush() error { return nil }

// Close ends what is under way.
func (d *Device) Close() error {
	d.cancel(fs.ErrClosed)
	return nil
}

func (d *Device) wrap(err error) error { return &fs.PathError{Op: "read", Path: d.name, Err: err} }
