package httpdisk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/unboot/unboot/internal/cause"
)

// How long is waited before a request is repeated.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 10 * time.Second
)

// errEmpty is returned for a file without a byte.
var errEmpty = errors.New("empty")

// A busyError is a state that passes, and when the server says that it will.
type busyError struct {
	StatusError
	after time.Duration
}

func (e *busyError) Unwrap() error { return &e.StatusError }

// retry fills p with what is at off by once, which returns how much of that it has done,
// until all is there, or once returns io.EOF, or fails for good.
func (d *Device) retry(p []byte, off int64, once func(p []byte, off int64) (int, error)) (n int, err error) {
	end := time.Now().Add(d.patience)
	wait := firstWait
	for {
		got, err := once(p[n:], off+int64(n))
		n += got
		switch {
		case err == io.EOF || err == nil && n == len(p):
			return n, nil
		case d.ctx.Err() != nil:
			return n, cause.Of(d.ctx)
		case err != nil && final(err), errors.Is(err, errEmpty), d.version.size == 0 && unreachable(err):
			return n, err
		}
		if got > 0 {
			end, wait = time.Now().Add(d.patience), firstWait
		}
		if err == nil {
			continue
		}
		pause := wait/2 + rand.N(wait/2)
		if busy, ok := errors.AsType[*busyError](err); ok {
			pause = max(pause, busy.after)
		}
		if time.Now().Add(pause).After(end) {
			return n, fmt.Errorf("%w (and so for %v)", err, d.patience)
		}
		select {
		case <-d.ctx.Done():
			return n, cause.Of(d.ctx)
		case <-time.After(pause):
		}
		wait = min(2*wait, lastWait)
	}
}

// once makes one request, and returns how many bytes of the answer there were.
func (d *Device) once(p []byte, off int64, admit func(span, version) error) (int, error) {
	d.mu.Lock()
	at := d.at
	d.mu.Unlock()
	n, err := d.get(at, p, off, admit)
	s, refused := errors.AsType[*StatusError](err)
	if refused && at != d.url && !passing(s.Status) {
		// Where a redirect has led may be good for some time only.
		d.moved(d.url)
		return d.get(d.url, p, off, admit)
	}
	return n, err
}

// moved remembers where the file is.
func (d *Device) moved(at *url.URL) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
}

// get makes one request.
func (d *Device) get(at *url.URL, p []byte, off int64, admit func(span, version) error) (int, error) {
	want := span{off, off + int64(len(p))}
	ctx, watch, stop := newWatch(d.ctx, d.stall)
	defer stop()
	q, err := request(ctx, at, &d.auth, want)
	if err != nil {
		return 0, err
	}
	d.requests.Add(1)
	r, err := d.client.Do(q)
	if err = bare(err); err == io.EOF {
		err = io.ErrUnexpectedEOF // which is not the end of the file
	}
	if err != nil {
		return 0, stalled(ctx, err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusPartialContent {
		return 0, d.state(r)
	}
	part, v, err := check(r, want)
	if err == nil {
		err = admit(part, v)
	}
	if err != nil {
		return 0, err
	}
	// The URL of a redirect is kept, which spares a request each time.
	if final := r.Request.URL; final.String() != at.String() {
		d.moved(final)
	}
	n, err := watch.read(r.Body, p[:part.end-part.start])
	d.received.Add(int64(n))
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, stalled(ctx, err)
}

// stalled says why a request was given up.
func stalled(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errStalled {
		return errStalled
	}
	return err
}

// state returns the error that an answer is which has no part of the file.
func (d *Device) state(r *http.Response) error {
	e := StatusError{Status: r.StatusCode}
	switch {
	case r.StatusCode == http.StatusOK && r.ContentLength == 0 && d.version.size == 0:
		return errEmpty
	case r.StatusCode == http.StatusOK:
		if d.version.size > 0 {
			return fmt.Errorf("%w: it sends all of the file", ErrAnswer)
		}
		return ErrNoRanges
	case r.StatusCode == http.StatusPreconditionFailed:
		return ErrChanged
	case r.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		_, size, err := contentRange(r.Header.Get("Content-Range"))
		if err == nil && size == 0 && d.version.size == 0 {
			return errEmpty
		}
		if d.version.size > 0 {
			return fmt.Errorf("%w: %w", ErrChanged, &e)
		}
		return fmt.Errorf("%w: %w", ErrAnswer, &e)
	case r.StatusCode == http.StatusUnauthorized && d.auth.basic:
		e.hint = " (for the name and password that it got)"
	case r.StatusCode == http.StatusUnauthorized:
		e.hint = " (a name and password can be in ~/.netrc, a token in $" + TokenVariable + ")"
	case passing(r.StatusCode):
		return &busyError{e, retryAfter(r.Header)}
	}
	return &e
}
