package unboot

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A Winsize is the size of a terminal in characters.
type Winsize struct{ Rows, Cols uint16 }

// Requests of ioctl_tty(2), as in asm-generic/ioctls.h.
const (
	ioTIOCSWINSZ  = 0x5414
	ioTIOCSPTLCK  = 0x40045431
	ioTIOCGPTPEER = 0x5441
)

// SetWinsize changes the size of the terminal of a command that runs, whose foreground
// processes get a SIGWINCH.
func (c *Cmd) SetWinsize(size Winsize) error {
	tty := c.streams.tty
	if c.program == nil || tty == nil {
		return errors.New("unboot: no terminal of a command that runs")
	}
	return tty.setWinsize(size)
}

func (p *pipeEnd) setWinsize(size Winsize) error {
	if err := p.begin(); err != nil {
		return err
	}
	defer p.end()
	arg := make([]byte, 8)
	binary.LittleEndian.PutUint16(arg[0:], size.Rows)
	binary.LittleEndian.PutUint16(arg[2:], size.Cols)
	_, err := p.k.Ioctl(p.fd, ioTIOCSWINSZ, arg)
	return os.NewSyscallError("TIOCSWINSZ", err)
}

// prepareTerminal makes a terminal for the program, of the devpts file system that is the
// descriptor pts: see pty(7). It belongs to the user.
func (s *streams) prepareTerminal(c *Cmd, pts int, uid uint32) (fds [3]int, err error) {
	if c.Stderr != nil {
		return fds, errors.New("unboot: Stderr of a command with a terminal, which has only one output")
	}
	k := s.k
	master, err := k.Openat(pts, "ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fds, &os.PathError{Op: "open", Path: "/dev/ptmx", Err: err}
	}
	s.tty = &pipeEnd{k: k, fd: master, tty: true}
	s.ours = append(s.ours, s.tty)
	if _, err := k.Ioctl(master, ioTIOCSPTLCK, make([]byte, 4)); err != nil {
		return fds, os.NewSyscallError("TIOCSPTLCK", err)
	}
	peer, err := k.IoctlInt(master, ioTIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if err != nil {
		return fds, os.NewSyscallError("TIOCGPTPEER", err)
	}
	s.theirs[0] = peer + 1
	if err := k.Fchown(peer, int(uid), -1); err != nil {
		return fds, os.NewSyscallError("fchown", err)
	}
	if err := s.tty.setWinsize(*c.Tty); err != nil {
		return fds, err
	}
	// One descriptor for both directions: jobs must not close it for each other.
	if c.Stdin != nil {
		if err := s.feed(s.again(), c.Stdin, endOfInput); err != nil {
			return fds, err
		}
	}
	out := c.Stdout
	if out == nil {
		out = io.Discard // or the program would wait for somebody to look
	}
	s.drain(s.again(), out)
	return [3]int{peer, peer, peer}, nil
}

// again returns another value for the terminal's descriptor, of its own life.
func (s *streams) again() *pipeEnd {
	fd, err := s.k.Dup(s.tty.fd)
	if err != nil {
		fd = -1 // each use of it is EBADF
	}
	end := &pipeEnd{k: s.k, fd: fd, tty: true}
	s.ours = append(s.ours, end)
	return end
}

// endOfInput is what ends the input from a terminal: ^D ends a line, and then the input.
func endOfInput() []byte { return []byte{4, 4} }
