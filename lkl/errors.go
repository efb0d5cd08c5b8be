package lkl

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ErrClosed is the error of every call on a kernel after [Kernel.Close] or
// [Kernel.Kill]. errors.Is(ErrClosed, fs.ErrClosed) holds.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "lkl: kernel is closed" }
func (closedError) Is(target error) bool { return target == fs.ErrClosed }

// ErrNoKernel is returned by [Boot] in a program that was built without a
// kernel image: run make in the repository, or set UNBOOT_KERNEL to the path
// of an uncompressed one.
var ErrNoKernel = errors.New("lkl: this program was built without a kernel image (run make, or set UNBOOT_KERNEL)")

// errProtocol means that the kernel process wrote something into the shared
// memory that it never would: it is killed, and this is the cause.
var errProtocol = errors.New("protocol violated by the kernel process")

// A PanicError reports that the kernel ran into a panic, an oops, a BUG or a
// bad memory access, and ended. What was not synced before is lost, as by a
// power cut. %v prints the line that says why, %+v the last lines of the log.
type PanicError struct {
	// Fault is set for a bad memory access without a panic.
	Fault bool
	// Log holds the kernel's last lines, oldest first.
	Log []string
}

// Reason returns the line of the log that says why, or "".
func (e *PanicError) Reason() string {
	for _, mark := range []string{"Kernel panic - not syncing: ", "BUG: ", "kernel BUG at ", "fault"} {
		for i := len(e.Log) - 1; i >= 0; i-- {
			if at := strings.Index(e.Log[i], mark); at >= 0 {
				if mark == "Kernel panic - not syncing: " {
					at += len(mark)
				}
				return strings.TrimSpace(e.Log[i][at:])
			}
		}
	}
	return lastLine(e.Log)
}

func (e *PanicError) Error() string {
	what := "panic"
	if e.Fault {
		what = "fault"
	}
	if r := e.Reason(); r != "" {
		return "lkl: kernel " + what + ": " + r
	}
	return "lkl: kernel " + what
}

// Format implements fmt.Formatter.
func (e *PanicError) Format(s fmt.State, verb rune) { formatWithLog(s, verb, e.Error(), e.Log) }

// An ExitError reports that the kernel process ended in a way that is neither
// a panic nor [Kernel.Close]: killed by the context, by another process, by its
// sandbox, or unable to start. %+v prints the last lines of the log too.
type ExitError struct {
	// Cause is why this program killed it, such as the context's cause, which
	// then wraps context.Canceled or context.DeadlineExceeded also if it is of
	// the caller's own making; or nil. It is what Unwrap returns.
	Cause error
	// Code is the exit code, or -1 if a signal ended it.
	Code int
	// Signal is what ended it, or 0.
	Signal syscall.Signal
	// Log holds the kernel's last lines, oldest first.
	Log []string
}

func (e *ExitError) Error() string {
	var what string
	switch {
	case e.Cause != nil:
		return "lkl: kernel killed: " + e.Cause.Error()
	case e.Signal == unix.SIGSYS:
		what = "killed by its sandbox for a forbidden system call"
	case e.Signal != 0:
		what = "killed by signal: " + e.Signal.String()
	case e.Code == exitSetup:
		what = "could not set up its memory and descriptors"
	case e.Code == exitSandbox:
		what = "could not install its sandbox"
	default:
		what = fmt.Sprintf("ended with exit code %d", e.Code)
	}
	if l := lastLine(e.Log); l != "" {
		what += ": " + l
	}
	return "lkl: kernel " + what
}

// Unwrap returns e.Cause.
func (e *ExitError) Unwrap() error { return e.Cause }

// Format implements fmt.Formatter.
func (e *ExitError) Format(s fmt.State, verb rune) { formatWithLog(s, verb, e.Error(), e.Log) }

func formatWithLog(s fmt.State, verb rune, msg string, log []string) {
	switch {
	case verb == 'q':
		fmt.Fprintf(s, "%q", msg)
	case verb == 'v' && s.Flag('+'):
		io.WriteString(s, msg)
		for _, l := range log {
			io.WriteString(s, "\n\t"+l)
		}
	default:
		io.WriteString(s, msg)
	}
}

func lastLine(log []string) string {
	for i := len(log) - 1; i >= 0; i-- {
		if l := strings.TrimSpace(log[i]); l != "" {
			return l
		}
	}
	return ""
}

// errnoOf makes an errno of a block device's error, for the kernel.
func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno) && errno > 0 && errno < 4096:
		return errno
	case errors.Is(err, errors.ErrUnsupported):
		return unix.EOPNOTSUPP
	}
	return unix.EIO
}
