package httpdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrChanged is returned when the file on the server is not the one any more that was
	// opened.
	ErrChanged = errors.New("the file on the server has changed")
	// ErrNoRanges is returned for a server that only sends whole files.
	ErrNoRanges = errors.New("the server cannot send parts of a file (download it first)")
	// ErrEncoded is returned for an answer that is compressed or otherwise encoded.
	ErrEncoded = errors.New("the server sends the file encoded")
	// ErrAnswer is returned for an answer that does not fit the request.
	ErrAnswer = errors.New("a wrong answer of the server")
)

// A StatusError is a state that a server answers with.
type StatusError struct {
	Status int
	hint   string
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("the server answers %d", e.Status)
	if t := http.StatusText(e.Status); t != "" {
		s += " " + t
	}
	return s + e.hint
}

// Unwrap returns what the state means for a file.
func (e *StatusError) Unwrap() error {
	switch e.Status {
	case http.StatusNotFound, http.StatusGone:
		return fs.ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return fs.ErrPermission
	}
	return nil
}

// passing reports whether a state may be another one soon.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout, 509:
		return true
	}
	return status > 511
}

// bare takes the URL away that an error of package net/http has, which may be secret.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return bare(u.Err)
	}
	return err
}
