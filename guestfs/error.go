package guestfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/unboot/unboot/guestfs/internal/protocol"
)

// GuestfsError is the error of every method of [Guestfs].
type GuestfsError struct {
	Op     string        // function that failed, "mount"
	Errmsg string        // what guestfs_last_error(3) is
	Errno  syscall.Errno // or 0 if it is not known
}

// String returns Op and Errmsg, which often begins with Op itself: then once.
func (e *GuestfsError) String() string {
	if strings.HasPrefix(e.Errmsg, e.Op+": ") {
		return e.Errmsg
	}
	return e.Op + ": " + e.Errmsg
}

// Error implements error.
func (e *GuestfsError) Error() string { return e.String() }

// Unwrap returns Errno, so that errors.Is(err, fs.ErrNotExist) holds.
func (e *GuestfsError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

var (
	errClosed = errors.New("handle is closed")
	errUser   = errors.New("operation cancelled by user")
)

// errorf returns an error with a text and an errno, which may be 0.
func errorf(errno syscall.Errno, format string, args ...any) error {
	return &GuestfsError{Errmsg: fmt.Sprintf(format, args...), Errno: errno}
}

// perror returns an error with a text and what strerror(3) says of err after it.
func perror(err error, format string, args ...any) error {
	n := protocol.Errno(err)
	text := err.Error()
	if n != 0 {
		text = protocol.Strerror(n)
	}
	return errorf(n, "%s: %s", fmt.Sprintf(format, args...), text)
}

// pathError gives an error of package os the form of perror.
func pathError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return perror(p.Err, "%s: %s", p.Op, p.Path)
	}
	return err
}

// toError returns the error of a function, or nil.
func toError(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *GuestfsError
	if errors.As(err, &e) {
		return &GuestfsError{Op: op, Errmsg: e.Errmsg, Errno: e.Errno}
	}
	return &GuestfsError{Op: op, Errmsg: err.Error(), Errno: protocol.Errno(err)}
}

// callError returns what a procedure failed with, in the library's words.
func callError(ctx context.Context, name string, err error) error {
	var e *GuestfsError
	var wire *protocol.Error
	switch {
	case errors.Is(context.Cause(ctx), errUser):
		return errorf(syscall.EINTR, "%v", errUser)
	case errors.As(err, &e):
		return e
	case errors.As(err, &wire):
		return errorf(protocol.ErrnoByName(wire.Name), "%s: %s", name, wire.Message)
	case errors.Is(err, protocol.ErrCancelled):
		return errorf(0, "file receive cancelled by daemon")
	}
	return errorf(protocol.Errno(err), "%s: %v", name, err)
}
