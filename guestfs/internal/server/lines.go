package server

import (
	"bufio"
	"context"
	"io"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/lines"
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

// eachLine calls do with the lines of a file, without their ends. A line is bounded, so that
// a file without ends of lines does not fill the memory.
func eachLine(r io.Reader, do func(line []byte) error) error {
	return lineError(lines.Each(r, xdr.Limit, do))
}

// lineError words the errors of package lines.
func lineError(err error) error {
	switch err {
	case bufio.ErrTooLong:
		return errorf("a line is too long for a message of the protocol")
	case lines.ErrTooMany:
		return errTooLong
	}
	return err
}

// errEnough ends a loop over lines.
var errEnough = io.EOF

// Head returns the first ten lines of a file.
func (s *Server) Head(ctx context.Context, a *rpc.HeadArgs) ([]string, error) {
	return s.someLines(ctx, a.Path, 10, lines.Head)
}

// HeadN returns the first lines of a file, or, for a negative number, all but the last.
func (s *Server) HeadN(ctx context.Context, a *rpc.HeadNArgs) ([]string, error) {
	return s.someLines(ctx, a.Path, a.Nrlines, lines.Head)
}

// Tail returns the last ten lines of a file.
func (s *Server) Tail(ctx context.Context, a *rpc.TailArgs) ([]string, error) {
	return s.someLines(ctx, a.Path, 10, lines.Tail)
}

// TailN returns the last lines of a file, or, for a negative number, those from that
// line on.
func (s *Server) TailN(ctx context.Context, a *rpc.TailNArgs) ([]string, error) {
	return s.someLines(ctx, a.Path, a.Nrlines, lines.Tail)
}

// someLines returns what [lines.Head] or [lines.Tail] picks.
func (s *Server) someLines(ctx context.Context, p string, n int, pick func(io.Reader, int, int, func([]byte) error) error) ([]string, error) {
	h, err := s.openRead(p)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var list lineList
	if err := lineError(pick(reader{ctx, h}, n, xdr.Limit, list.add)); err != nil {
		return nil, perror(err, "%s", p)
	}
	return list.list(), nil
}

func (s *Server) wc(ctx context.Context, p, option string) (c lines.Counts, err error) {
	h, err := s.openRead(p)
	if err == nil {
		defer h.close()
		c, err = lines.Count(reader{ctx, h})
	}
	if err != nil {
		return c, perror(err, "wc %s: %s", option, p)
	}
	return c, nil
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
	return fits32(c.Lines, err)
}

// WcW returns the number of words of a file.
func (s *Server) WcW(ctx context.Context, a *rpc.WcWArgs) (int, error) {
	c, err := s.wc(ctx, a.Path, "-w")
	return fits32(c.Words, err)
}

// WcC returns the number of bytes of a file.
func (s *Server) WcC(ctx context.Context, a *rpc.WcCArgs) (int, error) {
	c, err := s.wc(ctx, a.Path, "-c")
	return fits32(c.Bytes, err)
}
