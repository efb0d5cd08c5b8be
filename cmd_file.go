package unboot

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// errStopped is the error of a stoppable that was stopped.
var errStopped = errors.New("stopped")

// A stoppable reads a file of the host, such as this program's standard input, and can be
// stopped while it waits: it must not take what comes after the program that it is for has
// ended, nor keep Wait from returning.
type stoppable struct {
	f    *os.File
	conn syscall.RawConn

	mu     sync.Mutex
	event  int // guarded by mu: an eventfd
	closed bool
}

func newStoppable(f *os.File) (*stoppable, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &stoppable{f: f, conn: conn, event: event}, nil
}

// Read waits for what there is to read, or for stop.
func (s *stoppable) Read(p []byte) (int, error) {
	stopped := false
	var perr error
	err := s.conn.Control(func(fd uintptr) {
		list := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(s.event), Events: unix.POLLIN}}
		for {
			if _, perr = unix.Poll(list, -1); perr != unix.EINTR {
				break
			}
		}
		stopped = list[1].Revents != 0
	})
	switch {
	case err != nil:
		return 0, err
	case perr != nil:
		return 0, os.NewSyscallError("poll", perr)
	case stopped:
		return 0, errStopped
	}
	n, err := s.f.Read(p)
	if errors.Is(err, unix.EIO) && n == 0 {
		err = io.EOF // a terminal that has gone
	}
	return n, err
}

// stop has Read return errStopped, from now on.
func (s *stoppable) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		unix.Write(s.event, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	}
}

// close gives back what stop needs. A nil *stoppable, or one that is closed, has nothing.
func (s *stoppable) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		unix.Close(s.event)
	}
	s.closed = true
}
