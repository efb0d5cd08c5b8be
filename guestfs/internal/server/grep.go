package server

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/posixre"
	"github.com/unboot/unboot/guestfs/internal/rpc"
)

// Grep returns the lines of a file that match a regular expression.
func (s *Server) Grep(ctx context.Context, a *rpc.GrepArgs) ([]string, error) {
	o := posixre.Options{Extended: a.Extended.Or(false), Fixed: a.Fixed.Or(false), Insensitive: a.Insensitive.Or(false)}
	if o.Extended && o.Fixed {
		return nil, errorf("can't use 'extended' and 'fixed' flags at the same time")
	}
	return s.grep(ctx, a.Regex, a.Path, o, a.Compressed.Or(false))
}

// Egrep is grep -E.
func (s *Server) Egrep(ctx context.Context, a *rpc.EgrepArgs) ([]string, error) {
	return s.grep(ctx, a.Regex, a.Path, posixre.Options{Extended: true}, false)
}

// Fgrep is grep -F.
func (s *Server) Fgrep(ctx context.Context, a *rpc.FgrepArgs) ([]string, error) {
	return s.grep(ctx, a.Pattern, a.Path, posixre.Options{Fixed: true}, false)
}

// Grepi is grep -i.
func (s *Server) Grepi(ctx context.Context, a *rpc.GrepiArgs) ([]string, error) {
	return s.grep(ctx, a.Regex, a.Path, posixre.Options{Insensitive: true}, false)
}

// Egrepi is grep -Ei.
func (s *Server) Egrepi(ctx context.Context, a *rpc.EgrepiArgs) ([]string, error) {
	return s.grep(ctx, a.Regex, a.Path, posixre.Options{Extended: true, Insensitive: true}, false)
}

// Fgrepi is grep -Fi.
func (s *Server) Fgrepi(ctx context.Context, a *rpc.FgrepiArgs) ([]string, error) {
	return s.grep(ctx, a.Pattern, a.Path, posixre.Options{Fixed: true, Insensitive: true}, false)
}

// Zgrep is grep of a file that may be compressed by gzip.
func (s *Server) Zgrep(ctx context.Context, a *rpc.ZgrepArgs) ([]string, error) {
	return s.grep(ctx, a.Regex, a.Path, posixre.Options{}, true)
}

// Zegrep is grep -E of a file that may be compressed.
func (s *Server) Zegrep(ctx context.Context, a *rpc.ZegrepArgs) ([]string, error) {
	return s.grep(ctx, a.Regex, a.Path, posixre.Options{Extended: true}, true)
}

// Zfgrep is grep -F of a file that may be compressed.
func (s *Server) Zfgrep(ctx context.Context, a *rpc.ZfgrepArgs) ([]string, error) {
	return s.grep(ctx, a.Pattern, a.Path, posixre.Options{Fixed: true}, true)
}

// Zgrepi is grep -i of a file that may be compressed.
func (s *Server) Zgrepi(ctx context.Context, a *rpc.ZgrepiArgs) ([]string, error) {
	return s.grep(ctx, a.Regex, a.Path, posixre.Options{Insensitive: true}, true)
}

// Zegrepi is grep -Ei of a file that may be compressed.
func (s *Server) Zegrepi(ctx context.Context, a *rpc.ZegrepiArgs) ([]string, error) {
	return s.grep(ctx, a.Regex, a.Path, posixre.Options{Extended: true, Insensitive: true}, true)
}

// Zfgrepi is grep -Fi of a file that may be compressed.
func (s *Server) Zfgrepi(ctx context.Context, a *rpc.ZfgrepiArgs) ([]string, error) {
	return s.grep(ctx, a.Pattern, a.Path, posixre.Options{Fixed: true, Insensitive: true}, true)
}

// grep returns nothing from where a file is binary, as grep(1) then only says that it
// matches.
func (s *Server) grep(ctx context.Context, expr, p string, o posixre.Options, compressed bool) ([]string, error) {
	h, err := s.openRead(p)
	if err != nil {
		return nil, err
	}
	defer h.close()
	re, err := posixre.Compile(expr, o)
	if errors.Is(err, posixre.ErrReference) {
		return nil, perrorText(unix.ENOTSUP, "%s: grep: %v in unboot", expr, err)
	}
	if err != nil {
		return nil, errorf("%s: grep: %v", expr, err)
	}
	var in io.Reader = reader{ctx, h}
	if compressed {
		var magic [2]byte
		if n, _ := h.ReadAt(magic[:], 0); n == 2 && magic == [2]byte{0x1f, 0x8b} {
			if in, err = gzip.NewReader(in); err != nil {
				return nil, perror(err, "%s", p)
			}
		}
	}
	var list lineList
	text := bufio.NewReaderSize(in, grepBuffer)
	if head, _ := text.Peek(grepBuffer); bytes.IndexByte(head, 0) >= 0 {
		return list.list(), nil
	}
	err = eachLine(text, func(line []byte) error {
		if bytes.IndexByte(line, 0) >= 0 {
			return errEnough
		}
		if re.Match(line) {
			return list.add(line)
		}
		return nil
	})
	if err != nil && err != errEnough {
		return nil, perror(err, "%s", p)
	}
	return list.list(), nil
}

// grepBuffer is how much of a file grep(1) looks at first, to see what it is.
const grepBuffer = 32 << 10
