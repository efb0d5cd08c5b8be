package nbd

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/unboot/unboot/disk/internal/link"
)

// The errors of this package, wrapped in what says more.
var (
	// ErrProtocol is returned for a peer that does not keep to the protocol.
	ErrProtocol = errors.New("not the NBD protocol")
	// ErrTLS is returned for a server that wants another kind of connection: TLS (nbds://)
	// where it was not asked for, or none.
	ErrTLS = errors.New("TLS")
	// ErrExport is returned for an export that the server does not have.
	ErrExport = errors.New("no such export")
	// ErrLost is returned when the connection is lost and no other one was made in time.
	ErrLost = link.ErrLost
	// ErrChanged is returned when an export is not what it was before the connection was
	// lost.
	ErrChanged = errors.New("the export has changed")
)

// A lostError is why a connection is over.
type lostError = link.LostError

// violation returns an error that wraps ErrProtocol.
func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// A refusal is what a server answers to an option.
type refusal struct {
	typ  uint32
	text string // the server's own words
}

func (e *refusal) Error() string {
	s := map[uint32]string{
		repErrUnsupported: "the server does not support this",
		repErrPolicy:      "the server does not allow this",
		repErrInvalid:     "the server takes the request for invalid",
		repErrPlatform:    "the server's platform does not support this",
		repErrTLSRequired: "the server requires TLS (nbds://)",
		repErrUnknown:     "no such export",
		repErrShutdown:    "the server is shutting down",
		repErrBlockSize:   "the server requires block sizes to be obeyed",
		repErrTooBig:      "the request is too big for the server",
	}[e.typ]
	if s == "" {
		s = fmt.Sprintf("the server refuses (error %d)", e.typ&^uint32(repError))
	}
	if e.text != "" {
		s += ": " + e.text
	}
	return s
}

func (e *refusal) Unwrap() error {
	switch e.typ {
	case repErrUnknown:
		return ErrExport
	case repErrTLSRequired:
		return ErrTLS
	case repErrPolicy:
		return fs.ErrPermission
	}
	return nil
}

// text returns words of a peer in a form that can be shown: in one line, and not long.
func text(b []byte) string {
	const most = 500
	s := strings.ToValidUTF8(string(b[:min(len(b), most)]), "")
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u0085' }), " ")
}
