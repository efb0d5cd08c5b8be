package usernet

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// Of the header of a DNS message (RFC 1035).
const (
	dnsHeader    = 12
	flagResponse = 0x80 // in byte 2
	maskOpcode   = 0x78 // in byte 2: 0 is a query
	maskCode     = 0x0f // in byte 3
	codeFailed   = 2    // SERVFAIL
	codeRefused  = 5    // REFUSED

	typeIXFR = 251
	typeAXFR = 252
)

// isQuery reports whether a message is a query, with one question, for records. Updates and
// transfers of zones are not: a server may allow those to the host, but not to its guests.
func isQuery(m []byte) bool {
	if len(m) < dnsHeader || m[2]&flagResponse != 0 || m[2]&maskOpcode != 0 || binary.BigEndian.Uint16(m[4:]) != 1 {
		return false
	}
	// The question's name: labels, which nothing before them can be referred to by.
	rest := m[dnsHeader:]
	for size := 0; ; {
		if len(rest) == 0 || rest[0] > 63 {
			return false
		}
		n := int(rest[0]) + 1
		if size += n; size > 255 || n > len(rest) {
			return false
		}
		rest = rest[n:]
		if n == 1 {
			break
		}
	}
	if len(rest) < 4 {
		return false
	}
	t := binary.BigEndian.Uint16(rest)
	return t != typeIXFR && t != typeAXFR
}

// failure returns the answer to a query that there is no answer to.
func failure(query []byte, code byte) []byte {
	if len(query) < dnsHeader {
		return nil
	}
	m := append([]byte(nil), query[:dnsHeader]...)
	m[2] |= flagResponse
	m[3] = m[3]&^maskCode | code
	clear(m[4:]) // nothing follows
	return m
}

// serveDNS answers queries that come in datagrams. Those that come over TCP, connect
// recognizes.
func (s *session) serveDNS() error {
	for _, a := range []netip.Addr{dns4, dns6} {
		at := tcpip.FullAddress{NIC: nic, Addr: addressOf(a), Port: 53}
		c, err := gonet.DialUDP(s.stack, &at, nil, protocolOf(a))
		if err != nil {
			return err
		}
		stop := context.AfterFunc(s.ctx, func() { c.Close() })
		s.spawn(func() {
			defer stop()
			s.serveDatagrams(c)
		})
	}
	return nil
}

func (s *session) serveDatagrams(c *gonet.UDPConn) {
	mem := make([]byte, pieceSize)
	for {
		n, from, err := c.ReadFrom(mem)
		if s.ctx.Err() != nil {
			return
		}
		if err != nil {
			continue
		}
		if !s.queries.take() {
			continue // lost
		}
		query := append([]byte(nil), mem[:n]...)
		if !s.spawn(func() {
			defer s.queries.give()
			if answer := s.resolve("udp", query); answer != nil {
				c.WriteTo(answer, from)
			}
		}) {
			s.queries.give()
			return
		}
	}
}

// serveStream answers the queries of a TCP connection, one after the other.
func (s *session) serveStream(c guestConn) {
	if !s.queries.take() {
		return
	}
	defer s.queries.give()
	stop := context.AfterFunc(s.ctx, c.abort)
	defer stop()
	for {
		c.SetReadDeadline(time.Now().Add(flowTime))
		query, err := readMessage(c)
		if err != nil {
			return
		}
		answer := s.resolve("tcp", query)
		if answer == nil {
			return
		}
		c.SetWriteDeadline(time.Now().Add(endTime))
		if err := writeMessage(c, answer); err != nil {
			return
		}
	}
}

// readMessage reads a message and its length, as DNS has them over TCP.
func readMessage(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, m)
	return m, err
}

func writeMessage(w io.Writer, m []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}

// resolve asks one name server after the other, and returns the first answer, one of
// its own if there is none, or nil for what is no query at all.
func (s *session) resolve(network string, query []byte) []byte {
	if !isQuery(query) {
		return failure(query, codeRefused)
	}
	for _, server := range s.n.resolv.servers {
		answer, err := s.ask(network, server, query)
		if err == nil {
			return answer
		}
		if s.ctx.Err() != nil {
			return nil
		}
	}
	return failure(query, codeFailed)
}

// ask asks one name server.
func (s *session) ask(network string, server netip.AddrPort, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.ctx, queryTime)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "tcp" {
		if err := writeMessage(c, query); err != nil {
			return nil, err
		}
		return readMessage(c)
	}
	if _, err := c.Write(query); err != nil {
		return nil, err
	}
	mem := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(mem)
	for {
		n, err := c.Read(mem[:])
		if err != nil {
			return nil, err
		}
		// Anything else is a late answer to someone who had this port before.
		if n >= dnsHeader && mem[0] == query[0] && mem[1] == query[1] && mem[2]&flagResponse != 0 {
			return append([]byte(nil), mem[:n]...), nil
		}
	}
}
