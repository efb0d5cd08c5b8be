package unboot

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// pipePiece is how much one call moves through a pipe, in bytes: what a call can hold without
// memory that others may wait for, since it may itself wait for the program for any time.
const pipePiece = 8 << 10

// A pipeEnd is this side's end of a pipe to a program, or of its terminal.
type pipeEnd struct {
	k   *lkl.Kernel
	fd  int
	tty bool

	mu     sync.Mutex
	users  int  // guarded by mu: calls under way
	closed bool // guarded by mu
}

// begin keeps the descriptor for a call; if it returns nil, end must follow.
func (p *pipeEnd) begin() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	p.users++
	return nil
}

func (p *pipeEnd) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users--
	p.drop()
}

// drop closes the descriptor when it is not used any more.
//
// Preconditions: mu is held.
func (p *pipeEnd) drop() {
	if p.closed && p.users == 0 && p.fd >= 0 {
		p.k.CloseFd(p.fd)
		p.fd = -1
	}
}

// Close closes the end. A call that is under way, which may wait for the program, is not
// waited for.
func (p *pipeEnd) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	p.closed = true
	p.drop()
	return nil
}

// Read reads what the program has written.
func (p *pipeEnd) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if err := p.begin(); err != nil {
		return 0, err
	}
	defer p.end()
	n, err := p.k.Read(p.fd, b[:min(len(b), pipePiece)])
	switch {
	case p.tty && errors.Is(err, unix.EIO): // nobody has the terminal open any more
		return 0, io.EOF
	case err != nil:
		return 0, &os.PathError{Op: "read", Path: "|0", Err: err}
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes what the program is to read. The error wraps unix.EPIPE when nobody will.
func (p *pipeEnd) Write(b []byte) (int, error) {
	if err := p.begin(); err != nil {
		return 0, err
	}
	defer p.end()
	done := 0
	for done < len(b) {
		n, err := p.k.Write(p.fd, b[done:min(len(b), done+pipePiece)])
		done += max(n, 0)
		if p.tty && errors.Is(err, unix.EIO) {
			err = unix.EPIPE
		}
		if err != nil {
			return done, &os.PathError{Op: "write", Path: "|1", Err: err}
		}
	}
	return done, nil
}

// StdinPipe returns what is connected to the program's standard input. It is closed when the
// program has ended, and by its Close, for programs that wait for the end of their input.
func (c *Cmd) StdinPipe() (io.WriteCloser, error) {
	if c.Stdin != nil || c.streams.has(0) {
		return nil, errors.New("unboot: Stdin already set")
	}
	p, err := c.pipe(0)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// StdoutPipe returns what is connected to the program's standard output. Wait closes it, so
// everything should have been read before.
func (c *Cmd) StdoutPipe() (io.ReadCloser, error) {
	if c.Stdout != nil || c.streams.has(1) {
		return nil, errors.New("unboot: Stdout already set")
	}
	p, err := c.pipe(1)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// StderrPipe is [Cmd.StdoutPipe] for the standard error.
func (c *Cmd) StderrPipe() (io.ReadCloser, error) {
	if c.Stderr != nil || c.streams.has(2) {
		return nil, errors.New("unboot: Stderr already set")
	}
	p, err := c.pipe(2)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// pipe makes the pipe of a descriptor of the program.
func (c *Cmd) pipe(n int) (*pipeEnd, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.started:
		return nil, errors.New("unboot: pipe of a command that was started")
	case c.Tty != nil:
		return nil, errors.New("unboot: pipe of a command with a terminal")
	}
	c.streams.k = c.kernel()
	return c.streams.pipe(n)
}
