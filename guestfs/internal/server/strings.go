package server

import (
	"bufio"
	"context"
	"strings"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/bintext"
)

// Strings returns the runs of at least four printable characters of a file.
func (s *Server) Strings(ctx context.Context, a *rpc.StringsArgs) ([]string, error) {
	return s.strings(ctx, a.Path, bintext.ASCII)
}

// StringsE is Strings for an encoding of characters, by its letter for strings(1).
func (s *Server) StringsE(ctx context.Context, a *rpc.StringsEArgs) ([]string, error) {
	e, ok := bintext.ParseEncoding(a.Encoding)
	if !ok {
		return nil, errorf("%s: invalid encoding", a.Encoding)
	}
	return s.strings(ctx, a.Path, e)
}

func (s *Server) strings(ctx context.Context, p string, e bintext.Encoding) ([]string, error) {
	h, err := s.openRead(p)
	if err != nil {
		return nil, err
	}
	defer h.close()
	var list lineList
	err = bintext.Strings(reader{ctx, h}, e, xdr.Limit, list.add)
	if err == bufio.ErrTooLong {
		err = errTooLong
	}
	if err != nil {
		return nil, perror(err, "%s", p)
	}
	return list.list(), nil
}

// Hexdump returns a file as "hexdump -C" prints it.
func (s *Server) Hexdump(ctx context.Context, a *rpc.HexdumpArgs) (string, error) {
	h, err := s.openRead(a.Path)
	if err != nil {
		return "", err
	}
	defer h.close()
	var text message
	if err := bintext.Hexdump(&text, reader{ctx, h}); err == errTooLong {
		return "", err
	} else if err != nil {
		return "", perror(err, "%s", a.Path)
	}
	return text.String(), nil
}

// A message is a text until it is longer than one of the protocol may be.
type message struct{ strings.Builder }

func (m *message) Write(p []byte) (int, error) {
	if m.Len()+len(p) > xdr.Limit {
		return 0, errTooLong
	}
	return m.Builder.Write(p)
}
