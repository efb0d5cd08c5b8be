package httpdisk

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// maxRedirects is how many redirects are followed for one request, as in curl(1) by default
// in its documentation's examples, and in package net/http.
const maxRedirects = 10

// DefaultTransport returns the transport that all devices share, so that they share connections.
func DefaultTransport() http.RoundTripper { return transport() }

var transport = sync.OnceValue(func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	// A range of a compressed file is not a compressed range of the file.
	t.DisableCompression = true
	t.MaxIdleConnsPerHost = maxFlight
	t.DialContext = (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	return t
})

var errDowngrade = errors.New("the server redirects from https to http")

// newClient returns a client that follows redirects, but not into the open.
func newClient(t http.RoundTripper, auth *authorization) *http.Client {
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= maxRedirects:
			return fmt.Errorf("%w: more than %d redirects", ErrAnswer, maxRedirects)
		case r.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https":
			return errDowngrade
		}
		// What is secret is for the host of the URL alone.
		r.Header.Del("Authorization")
		r.Header.Del("Referer")
		auth.set(r)
		return nil
	}}
}

// final reports whether an error will be the same the next time.
func final(err error) bool {
	for _, e := range []error{http.ErrSchemeMismatch, ErrAnswer, ErrChanged, ErrEncoded, ErrNoRanges, errDowngrade} {
		if errors.Is(err, e) {
			return true
		}
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		return !passing(s.Status)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok {
		return d.IsNotFound
	}
	return false
}

// unreachable reports whether nobody was there.
func unreachable(err error) bool {
	o, ok := errors.AsType[*net.OpError](err)
	return ok && o.Op == "dial"
}

var errStalled = errors.New("the server sends nothing")

// A watch ends a request for which too little comes for too long.
type watch struct {
	timer *time.Timer
	stall time.Duration
	got   int
}

func newWatch(ctx context.Context, stall time.Duration) (context.Context, *watch, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{stall: stall, timer: time.AfterFunc(stall, func() { cancel(errStalled) })}
	return ctx, w, func() {
		w.timer.Stop()
		cancel(nil)
	}
}

// read fills p from a body, as io.ReadFull.
func (w *watch) read(body io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var got int
		got, err = body.Read(p[n:])
		n += got
		// One that sends a byte from time to time does not keep us.
		if w.got += got; w.got >= 4096 {
			w.got = 0
			w.timer.Reset(w.stall)
		}
	}
	if n == len(p) {
		err = nil
	}
	return n, err
}

// request returns a request for a part of what is at a URL.
func request(ctx context.Context, u *url.URL, auth *authorization, part span) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, bare(err)
	}
	r.Header.Set("Range", part.header())
	r.Header.Set("Accept-Encoding", "identity")
	r.Header.Set("User-Agent", "unboot")
	auth.set(r)
	return r, nil
}
