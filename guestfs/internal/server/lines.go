package server

import (
	"bufio"
	"bytes"
	"context"
	"io"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// errTooLong is the error of a list that no message holds.
var errTooLong = errorf("the output is too long for a message of the protocol")

// A lineList collects lines until there are more than a message holds.
type lineList struct {
	lines []string
	size  int
}

func (l *lineList) add(line []byte) error {
	if l.size += len(line) + 8; l.size > xdr.Limit {
		return errTooLong
	}
	l.lines = append(l.lines, string(line))
	return nil
}

// list returns the lines, which are never nil.
func (l *lineList) list() []string {
	if l.lines == nil {
		return []string{}
	}
	return l.lines
}

// maxLine bounds a line, so that a file without ends of lines does not fill the memory.
const maxLine = xdr.Limit

// eachLine calls do with the lines of a file, without their ends.
func eachLine(ctx context.Context, r io.Reader, do func(line []byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return i + 1, data[:i], nil
		}
		if atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for s.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(s.Bytes()); err != nil {
			return err
		}
	}
	if s.Err() == bufio.ErrTooLong {
		return errorf("a line is too long for a message of the protocol")
	}
	return s.Err()
}

// errEnough ends a loop over lines.
var errEnough = io.EOF

// Head returns the first ten lines of a file.
func (s *Server) Head(ctx context.Context, a *rpc.HeadArgs) ([]string, error) {
	return s.head(ctx, a.Path, 10)
}

// HeadN returns the first lines of a file, or, for a negative number, all but the last.
func (s *Server) HeadN(ctx context.Context, a *rpc.HeadNArgs) ([]string, error) {
	return s.head(ctx, a.Path, a.Nrlines)
}

func (s *Server) head(ctx context.Context, p string, n int) ([]string, error) {
	h, err := s.openRead(p)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var list lineList
	var ring ring
	err = eachLine(ctx, h, func(line []byte) error {
		switch {
		case n < 0:
			// Given out when as many have come after it.
			if old, full := ring.push(line, -n); full {
				return list.add(old)
			}
			return ring.err()
		case len(list.lines) == n:
			return errEnough
		}
		return list.add(line)
	})
	if err != nil && err != errEnough {
		return nil, perror(err, "%s", p)
	}
	return list.list(), nil
}

// Tail returns the last ten lines of a file.
func (s *Server) Tail(ctx context.Context, a *rpc.TailArgs) ([]string, error) {
	return s.tail(ctx, a.Path, 10)
}

// TailN returns the last lines of a file, or, for a negative number, those from that
// line on.
func (s *Server) TailN(ctx context.Context, a *rpc.TailNArgs) ([]string, error) {
	return s.tail(ctx, a.Path, a.Nrlines)
}

func (s *Server) tail(ctx context.Context, p string, n int) ([]string, error) {
	h, err := s.openRead(p)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var list lineList
	var ring ring
	number := 0
	err = eachLine(ctx, h, func(line []byte) error {
		number++
		if n >= 0 {
			ring.push(line, n)
			return ring.err()
		}
		if number < -n {
			return nil
		}
		return list.add(line)
	})
	if err != nil {
		return nil, perror(err, "%s", p)
	}
	for _, line := range ring.lines {
		if err := list.add(line); err != nil {
			return nil, err
		}
	}
	return list.list(), nil
}

// ring holds the last lines.
type ring struct {
	lines [][]byte
	size  int
}

// push adds a line, and returns the one that n lines have come after.
func (r *ring) push(line []byte, n int) (old []byte, full bool) {
	r.lines = append(r.lines, bytes.Clone(line))
	r.size += len(line)
	if len(r.lines) <= n {
		return nil, false
	}
	old = r.lines[0]
	r.lines = r.lines[1:]
	r.size -= len(old)
	return old, true
}

// maxRing bounds the memory of a ring.
const maxRing = 64 << 20

func (r *ring) err() error {
	if r.size+len(r.lines)*64 > maxRing {
		return errTooLong
	}
	return nil
}

// count is what wc(1) counts.
type count struct{ lines, words, bytes int64 }

func (s *Server) wc(ctx context.Context, p, option string) (c count, err error) {
	h, err := s.openRead(p)
	if err != nil {
		return c, perror(err, "wc %s: %s", option, p)
	}
	defer h.close()
	inWord := false
	buf := make([]byte, pieceSize)
	for {
		n, err := h.Read(buf)
		c.bytes += int64(n)
		for _, b := range buf[:n] {
			switch b {
			case '\n':
				c.lines++
				inWord = false
			case ' ', '\t', '\r', '\v', '\f':
				inWord = false
			default:
				// As in the C locale, what is not printed is part of no word.
				if !inWord && b > ' ' && b < 0x7f {
					c.words++
					inWord = true
				}
			}
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == io.EOF {
			return c, nil
		}
		if err != nil {
			return c, perror(err, "wc %s: %s", option, p)
		}
	}
}

// fits32 returns a count as a result of 32 bits.
func fits32(n int64, err error) (int, error) {
	if err == nil && n > 1<<31-1 {
		err = errorf("%d is too large for the protocol", n)
	}
	return int(n), err
}

// WcL returns the number of lines of a file, which are ends of lines.
func (s *Server) WcL(ctx context.Context, a *rpc.WcLArgs) (int, error) {
	c, err := s.wc(ctx, a.Path, "-l")
	return fits32(c.lines, err)
}

// WcW returns the number of words of a file.
func (s *Server) WcW(ctx context.Context, a *rpc.WcWArgs) (int, error) {
	c, err := s.wc(ctx, a.Path, "-w")
	return fits32(c.words, err)
}

// WcC returns the number of bytes of a file.
func (s *Server) WcC(ctx context.Context, a *rpc.WcCArgs) (int, error) {
	c, err := s.wc(ctx, a.Path, "-c")
	return fits32(c.bytes, err)
}
