package protocol

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/xdr"
	"golang.org/x/sys/unix"
)

// Error is an error as it travels in a reply.
type Error struct {
	Name    string // of the errno, "ENOENT"; or ""
	Message string
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the errno, so that errors.Is(err, unix.ENOENT) and
// errors.Is(err, fs.ErrNotExist) hold.
func (e *Error) Unwrap() error {
	if n := ErrnoByName(e.Name); n != 0 {
		return n
	}
	return nil
}

// Code implements xdr.Coder.
func (e *Error) Code(c *xdr.Codec) {
	c.String(&e.Name)
	c.String(&e.Message)
	if c.Decoding() && (len(e.Name) > ErrnoMax || len(e.Message) > ErrorMax) {
		c.Fail(xdr.ErrLimit)
	}
}

// Errorf-like texts of well-known errors that carry no errno.
var errnos = []struct {
	err   error
	errno syscall.Errno
}{
	{fs.ErrNotExist, unix.ENOENT},
	{fs.ErrExist, unix.EEXIST},
	{fs.ErrPermission, unix.EPERM},
	{fs.ErrInvalid, unix.EINVAL},
	{errors.ErrUnsupported, unix.ENOTSUP},
	{context.Canceled, unix.EINTR},
	{context.DeadlineExceeded, unix.ETIMEDOUT},
}

// Errno returns the errno that err is about, or 0.
func Errno(err error) syscall.Errno {
	var wire *Error
	if errors.As(err, &wire) {
		return ErrnoByName(wire.Name)
	}
	var n syscall.Errno
	if errors.As(err, &n) {
		return n
	}
	for _, e := range errnos {
		if errors.Is(err, e.err) {
			return e.errno
		}
	}
	return 0
}

// toWire returns err as it is sent.
func toWire(err error) *Error {
	var wire *Error
	e := &Error{Message: err.Error()}
	if errors.As(err, &wire) {
		e.Name = wire.Name
	} else {
		e.Name = ErrnoName(Errno(err))
	}
	if e.Message == "" {
		e.Message = "unknown error"
	}
	if len(e.Message) > ErrorMax-1 {
		e.Message = e.Message[:ErrorMax-1]
	}
	if len(e.Name) > ErrnoMax {
		e.Name = ""
	}
	return e
}

// ErrnoName returns the name of an errno, or "" if it has none.
func ErrnoName(n syscall.Errno) string { return unix.ErrnoName(n) }

// ErrnoByName returns the errno of a name, or 0 if there is none of that name.
func ErrnoByName(name string) syscall.Errno { return errnoNames()[name] }

var errnoNames = sync.OnceValue(func() map[string]syscall.Errno {
	m := map[string]syscall.Errno{
		"EWOULDBLOCK": unix.EWOULDBLOCK,
		"EOPNOTSUPP":  unix.EOPNOTSUPP,
		"EDEADLOCK":   unix.EDEADLOCK,
	}
	const last = 200
	for n := syscall.Errno(1); n < last; n++ {
		if name := unix.ErrnoName(n); name != "" {
			m[name] = n
		}
	}
	return m
})

// Strerror returns the text of an errno as strerror(3) spells it, which begins with
// a capital letter in contrast to Go's. The daemon's messages end with it.
func Strerror(n syscall.Errno) string {
	s := n.Error()
	if strings.HasPrefix(s, ".lib") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
