package nbd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk/internal/link"
)

// A session is a connection of a client that haggles.
type session struct {
	net.Conn
	r     *bufio.Reader
	limit *link.Reader // what r reads from
	short bool         // no zeroes after the reply to EXPORT_NAME
	fixed bool         // options other than EXPORT_NAME are known to be understood
}

// newSession prepares for the handshake.
func newSession(c net.Conn) *session {
	s := &session{Conn: c, limit: link.NewReader(c)}
	s.r = bufio.NewReaderSize(s.limit, 64<<10)
	return s
}

// greet reads the server's greeting and answers it.
func (s *session) greet() error {
	var b [18]byte
	if _, err := io.ReadFull(s.r, b[:16]); err != nil {
		return ended(err)
	}
	if m := be.Uint64(b[:]); m != magicInit {
		return violation("the server begins with %q", b[:8])
	}
	switch m := be.Uint64(b[8:]); m {
	case magicOption:
	case magicOldstyle:
		return fmt.Errorf("%w as it is now: the server speaks the old style", ErrProtocol)
	default:
		return violation("the server goes on with %#x", m)
	}
	if _, err := io.ReadFull(s.r, b[16:]); err != nil {
		return ended(err)
	}
	flags := uint32(be.Uint16(b[16:])) & (flagFixedNewstyle | flagNoZeroes)
	s.short, s.fixed = flags&flagNoZeroes != 0, flags&flagFixedNewstyle != 0
	_, err := s.Write(be.AppendUint32(nil, flags))
	return err
}

// ask sends an option to which the answer is just yes or no.
func (s *session) ask(opt uint32, data []byte) error {
	if err := writeOption(s, opt, data); err != nil {
		return err
	}
	a, err := readReply(s.r, opt)
	if err == nil && a.typ != repAck {
		err = violation("a reply of type %d to option %d", a.typ, opt)
	}
	return err
}

// startTLS makes what follows encrypted.
func (s *session) startTLS(ctx context.Context, c *tls.Config) error {
	if err := s.ask(optStartTLS, nil); err != nil {
		if _, ok := errors.AsType[*refusal](err); ok {
			return fmt.Errorf("%w: the server has none (nbd://): %w", ErrTLS, err)
		}
		return err
	}
	// A man in the middle may have put in answers before the encryption.
	if s.r.Buffered() > 0 {
		return violation("the server talks before TLS is there")
	}
	t := tls.Client(s.Conn, c)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrTLS, err)
	}
	*s = session{Conn: t, limit: link.NewReader(t), short: s.short, fixed: s.fixed}
	s.r = bufio.NewReaderSize(s.limit, 64<<10)
	return nil
}

// setMeta asks for the context of allocation, and returns its number, or 0 and false if the
// server does not have it.
func (s *session) setMeta(name string) (id uint32, ok bool, err error) {
	q := metaRequest{name, []string{contextAllocation}}
	if err := writeOption(s, optSetMeta, q.append(nil)); err != nil {
		return 0, false, err
	}
	for {
		a, err := readReply(s.r, optSetMeta)
		if _, refused := errors.AsType[*refusal](err); refused {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, err
		}
		switch {
		case a.typ == repAck:
			return id, ok, nil
		case a.typ != repMeta || len(a.data) < 4 || string(a.data[4:]) != contextAllocation || ok:
			return 0, false, violation("a meta context that was not asked for")
		}
		id, ok = be.Uint32(a.data), true
	}
}

// enter begins the transmission of an export.
func (s *session) enter(name string) (Export, error) {
	e, err := s.info(optGo, name)
	if r, ok := errors.AsType[*refusal](err); ok && r.typ == repErrUnsupported {
		return s.enterOld(name)
	}
	return e, err
}

// info asks for an export, by optInfo or optGo.
func (s *session) info(opt uint32, name string) (Export, error) {
	e := newExport(name)
	q := infoRequest{name, []uint16{infoName, infoDescription, infoBlockSize}}
	if err := writeOption(s, opt, q.append(nil)); err != nil {
		return e, err
	}
	for range maxExports {
		a, err := readReply(s.r, opt)
		if err != nil {
			return e, err
		}
		switch a.typ {
		case repAck:
			if !e.sized {
				return e, violation("an export without a size")
			}
			return e, nil
		case repInfo:
			if err := e.setInfo(a.data); err != nil {
				return e, err
			}
		default:
			return e, violation("a reply of type %d to option %d", a.typ, opt)
		}
	}
	return e, violation("no end of information about an export")
}

// enterOld is enter with a server that does not know GO: one that has no such export just
// ends the connection.
func (s *session) enterOld(name string) (Export, error) {
	e := newExport(name)
	if err := writeOption(s, optExportName, []byte(name)); err != nil {
		return e, err
	}
	n := 10
	if !s.short {
		n += 124
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.r, b); err == io.EOF {
		return e, ErrExport
	} else if err != nil {
		return e, err
	}
	return e, e.setSize(b)
}

// list returns what the server exports. It does not say how large these are.
func (s *session) list() ([]Export, error) {
	if err := writeOption(s, optList, nil); err != nil {
		return nil, err
	}
	var list []Export
	for {
		a, err := readReply(s.r, optList)
		switch {
		case err != nil:
			return nil, err
		case a.typ == repAck:
			return list, nil
		case a.typ != repServer:
			return nil, violation("a reply of type %d to option %d", a.typ, optList)
		case len(list) == maxExports:
			return nil, violation("a list of more than %d exports", maxExports)
		}
		e, err := parseListed(a.data)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
}

// others returns the names of the exports that there are, for a message.
func (s *session) others() string {
	const most = 10
	list, err := s.list()
	if err != nil || len(list) == 0 {
		return ""
	}
	var names []string
	for _, e := range list {
		names = append(names, fmt.Sprintf("%q", e.Name))
	}
	slices.Sort(names)
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return " (there are: " + strings.Join(names, ", ") + ")"
}
