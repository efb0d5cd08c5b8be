package server

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
)

var errNoResult = errors.New("internal error: neither a result nor an error")

// errorf returns an error with a text and no errno.
func errorf(format string, args ...any) error {
	return &protocol.Error{Message: fmt.Sprintf(format, args...)}
}

// perror returns an error with a text and what strerror(3) says of err's errno after it,
// or err's own text if it has none.
func perror(err error, format string, args ...any) error {
	n := protocol.Errno(err)
	text := err.Error()
	if n != 0 {
		text = protocol.Strerror(n)
	}
	return &protocol.Error{
		Name:    protocol.ErrnoName(n),
		Message: fmt.Sprintf(format, args...) + ": " + text,
	}
}

// programError is perror without the errno: the appliance has a program of the guest's
// do the work there, such as mv(1), of which it has only the text.
func programError(err error, format string, args ...any) error {
	text := err.Error()
	if n := protocol.Errno(err); n != 0 {
		text = protocol.Strerror(n)
	}
	return errorf("%s: %s", fmt.Sprintf(format, args...), text)
}

// perrorText returns an error with err's errno and another text.
func perrorText(err error, format string, args ...any) error {
	return &protocol.Error{Name: protocol.ErrnoName(protocol.Errno(err)), Message: fmt.Sprintf(format, args...)}
}

// toWire gives an errno, and an error of a path in the words of io/fs, the form of
// perror.
func toWire(err error) error {
	var wire *protocol.Error
	var path *fs.PathError
	if n, ok := err.(unix.Errno); ok {
		return &protocol.Error{Name: protocol.ErrnoName(n), Message: protocol.Strerror(n)}
	}
	if err == nil || errors.As(err, &wire) || !errors.As(err, &path) || error(path) != err {
		return err
	}
	return perror(path.Err, "%s: %s", path.Op, guestPath(path.Path))
}

// guestPath returns a path of an unboot.FS as a path of the guest.
func guestPath(p string) string {
	switch {
	case p == "" || p == ".":
		return "/"
	case p[0] == '/':
		return p
	}
	return "/" + p
}
