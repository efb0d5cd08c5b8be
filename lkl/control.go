package lkl

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// pass makes a call that descriptors of the host belong to, which it sends first.
//
// Preconditions: attachMu is held.
func (s *state) pass(c *call, fds []int, nr int32, args ...uint64) error {
	if len(fds) > 0 {
		if s.control < 0 {
			return ErrClosed
		}
		rights := unix.UnixRights(fds...)
		if err := unix.Sendmsg(s.control, []byte{0}, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT); err != nil {
			return s.notPassed(err)
		}
	}
	_, err := c.do(nr, args...)
	if len(fds) > 0 && c.over {
		// A descriptor that is not received now would be taken for the next call's.
		if n, e := unix.IoctlGetInt(s.control, unix.SIOCOUTQ); e != nil || n != 0 {
			return s.violated("descriptor left")
		}
	}
	return err
}

// notPassed returns the error for a descriptor that the kernel did not take. Where it has
// closed its end of the socket, it has ended, or is about to.
func (s *state) notPassed(err error) error {
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		select {
		case <-s.done:
		case <-time.After(time.Second):
			return s.violated("descriptor refused")
		}
	}
	if dead := s.endError(); dead != nil {
		return dead
	}
	return fmt.Errorf("lkl: passing a descriptor: %w", err)
}
