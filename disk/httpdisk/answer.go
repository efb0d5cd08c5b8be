package httpdisk

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A version is what a server says of a file to tell it from others.
type version struct {
	size         int64
	etag         string
	lastModified string
}

// newVersion reads it from an answer.
func newVersion(h http.Header, size int64) version {
	return version{size, h.Get("ETag"), h.Get("Last-Modified")}
}

// same returns an error for a version that is not the one that was opened.
func (v *version) same(w version) error {
	switch {
	case v.size != w.size:
		return fmt.Errorf("%w: it has %d bytes now, and had %d", ErrChanged, w.size, v.size)
	case v.etag != w.etag:
		return fmt.Errorf("%w: its ETag is another one", ErrChanged)
	case v.etag == "" && v.lastModified != w.lastModified:
		return fmt.Errorf("%w: at %s", ErrChanged, w.lastModified)
	}
	return nil
}

// identity is what tells versions apart, or "" if the server says nothing that does.
func (v *version) identity() string {
	switch {
	case v.etag != "":
		return v.etag
	case v.lastModified != "":
		return v.lastModified
	}
	return ""
}

// A span is a range of bytes of a file.
type span struct{ start, end int64 } // end is the first that is not in it

func (s span) header() string { return fmt.Sprintf("bytes=%d-%d", s.start, s.end-1) }

// contentRange reads a Content-Range: "bytes 0-99/1000". Of a state 416, it is
// "bytes */1000", for which the span is empty.
func contentRange(s string) (span, int64, error) {
	wrong := fmt.Errorf("%w: the range %.100q", ErrAnswer, s)
	unit, rest, ok := strings.Cut(strings.TrimSpace(s), " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return span{}, 0, wrong
	}
	bounds, total, ok := strings.Cut(strings.TrimSpace(rest), "/")
	if !ok {
		return span{}, 0, wrong
	}
	if total == "*" {
		return span{}, 0, fmt.Errorf("%w: it does not say how large the file is", ErrAnswer)
	}
	size, ok := number(total)
	if !ok {
		return span{}, 0, wrong
	}
	if bounds == "*" {
		return span{}, size, nil
	}
	first, last, ok := strings.Cut(bounds, "-")
	a, okA := number(first)
	b, okB := number(last)
	if !ok || !okA || !okB || a > b || b >= size {
		return span{}, 0, wrong
	}
	return span{a, b + 1}, size, nil
}

// number reads digits.
func number(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil && n < math.MaxInt64
}

// check makes sure that an answer has a part of what was asked for, from its start on, and
// returns which part, and the version.
func check(r *http.Response, want span) (span, version, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return span{}, version{}, fmt.Errorf("%w (%.40q)", ErrEncoded, e)
	}
	got, size, err := contentRange(r.Header.Get("Content-Range"))
	if err != nil {
		return span{}, version{}, err
	}
	if got.start != want.start || got.end > want.end {
		return span{}, version{}, fmt.Errorf("%w: bytes %d to %d, where %d to %d were asked for", ErrAnswer, got.start, got.end, want.start, want.end)
	}
	if r.ContentLength >= 0 && r.ContentLength != got.end-got.start {
		return span{}, version{}, fmt.Errorf("%w: %d bytes in a range of %d", ErrAnswer, r.ContentLength, got.end-got.start)
	}
	return got, newVersion(r.Header, size), nil
}

// retryAfter returns how long a server asks to wait, in seconds or until a time, or 0.
func retryAfter(h http.Header) time.Duration {
	s := h.Get("Retry-After")
	if n, ok := number(s); ok {
		return time.Duration(min(n, 1<<20)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}
