package nbd

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
)

// A host is a connection to a client.
type host struct {
	net.Conn
	r      *bufio.Reader
	server *Server

	secure     bool
	structured bool
	short      bool
	meta       string // the export that the context was chosen for, if status is set
	status     bool
}

// contextID is the number that the context of allocation has here.
const contextID = 1

// maxOptions is how many options a client may send.
const maxOptions = 10000

// errGone is returned for a client that has ended the connection in an orderly way.
var errGone = errors.New("the client is gone")

// haggle is the handshake. It returns nil if the client wants nothing any more.
func (h *host) haggle(ctx context.Context) (*Share, error) {
	b := be.AppendUint64(nil, magicInit)
	b = be.AppendUint64(b, magicOption)
	b = be.AppendUint16(b, flagFixedNewstyle|flagNoZeroes)
	if _, err := h.Write(b); err != nil {
		return nil, err
	}
	var flags [4]byte
	if _, err := io.ReadFull(h.r, flags[:]); err == io.EOF {
		return nil, nil // it wanted to know whether somebody is there
	} else if err != nil {
		return nil, err
	}
	f := be.Uint32(flags[:])
	if f&^(flagFixedNewstyle|flagNoZeroes) != 0 {
		return nil, violation("a client with the flags %#x", f)
	}
	h.short = f&flagNoZeroes != 0
	for range maxOptions {
		opt, data, err := readOption(h.r)
		if _, ok := errors.AsType[tooLong](err); ok && opt != optExportName {
			if err := writeReply(h, opt, repErrTooBig, nil); err != nil {
				return nil, err
			}
			continue
		}
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		share, err := h.option(ctx, opt, data)
		if err == errGone {
			return nil, nil
		}
		if share != nil || err != nil {
			return share, err
		}
	}
	return nil, violation("more than %d options", maxOptions)
}

// option answers one option. It returns a share when the transmission begins.
func (h *host) option(ctx context.Context, opt uint32, data []byte) (*Share, error) {
	switch {
	case opt == optAbort:
		writeReply(h, opt, repAck, nil)
		return nil, errGone
	case opt == optStartTLS:
		return nil, h.startTLS(ctx, data)
	case h.server.TLS != nil && !h.secure:
		if opt == optExportName {
			return nil, violation("a client without TLS")
		}
		return nil, writeReply(h, opt, repErrTLSRequired, nil)
	}
	switch opt {
	case optExportName:
		return h.exportName(string(data))
	case optList:
		return nil, h.list(data)
	case optInfo, optGo:
		return h.info(opt, data)
	case optStructuredReply:
		if len(data) > 0 {
			return nil, writeReply(h, opt, repErrInvalid, nil)
		}
		h.structured = true
		return nil, writeReply(h, opt, repAck, nil)
	case optListMeta, optSetMeta:
		return nil, h.contexts(opt, data)
	}
	return nil, writeReply(h, opt, repErrUnsupported, nil)
}

// startTLS makes what follows encrypted.
func (h *host) startTLS(ctx context.Context, data []byte) error {
	switch {
	case h.server.TLS == nil:
		return writeReply(h, optStartTLS, repErrPolicy, []byte("TLS is not configured"))
	case h.secure || len(data) > 0:
		return writeReply(h, optStartTLS, repErrInvalid, nil)
	}
	if err := writeReply(h, optStartTLS, repAck, nil); err != nil {
		return err
	}
	// Nothing of what was sent in the clear is to be taken for encrypted.
	if h.r.Buffered() > 0 {
		return violation("the client talks before TLS is there")
	}
	t := tls.Server(h.Conn, h.server.TLS)
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	// What was agreed upon in the clear does not count.
	*h = host{Conn: t, r: bufio.NewReaderSize(t, 64<<10), server: h.server, secure: true, short: h.short}
	return nil
}

// exportName begins the transmission for clients that do not know optGo.
func (h *host) exportName(name string) (*Share, error) {
	share := h.server.share(name)
	if share == nil {
		return nil, ErrExport
	}
	e := share.export()
	b := be.AppendUint64(nil, uint64(e.Size))
	b = be.AppendUint16(b, e.flags)
	if !h.short {
		b = append(b, make([]byte, 124)...)
	}
	_, err := h.Write(b)
	return share, err
}

func (h *host) list(data []byte) error {
	if len(data) > 0 {
		return writeReply(h, optList, repErrInvalid, nil)
	}
	for _, s := range h.server.Shares {
		b := appendString(nil, s.Name)
		if err := writeReply(h, optList, repServer, append(b, s.Description...)); err != nil {
			return err
		}
	}
	return writeReply(h, optList, repAck, nil)
}

// info answers optInfo and optGo.
func (h *host) info(opt uint32, data []byte) (*Share, error) {
	q, ok := parseInfoRequest(data)
	if !ok {
		return nil, writeReply(h, opt, repErrInvalid, nil)
	}
	share := h.server.share(q.name)
	if share == nil {
		return nil, writeReply(h, opt, repErrUnknown, nil)
	}
	e := share.export()
	b := be.AppendUint16(nil, infoExport)
	b = be.AppendUint64(b, uint64(e.Size))
	replies := [][]byte{be.AppendUint16(b, e.flags)}
	b = be.AppendUint16(nil, infoBlockSize)
	b = be.AppendUint32(b, e.MinBlock)
	b = be.AppendUint32(b, e.PreferredBlock)
	replies = append(replies, be.AppendUint32(b, e.MaxBlock))
	if slices.Contains(q.kinds, infoName) {
		replies = append(replies, append(be.AppendUint16(nil, infoName), share.Name...))
	}
	if slices.Contains(q.kinds, infoDescription) && share.Description != "" {
		replies = append(replies, append(be.AppendUint16(nil, infoDescription), share.Description...))
	}
	for _, b := range replies {
		if err := writeReply(h, opt, repInfo, b); err != nil {
			return nil, err
		}
	}
	if err := writeReply(h, opt, repAck, nil); err != nil || opt == optInfo {
		return nil, err
	}
	h.status = h.status && h.server.share(h.meta) == share
	return share, nil
}

// contexts answers optListMeta and optSetMeta.
func (h *host) contexts(opt uint32, data []byte) error {
	if opt == optSetMeta {
		h.status = false
	}
	q, ok := parseMetaRequest(data)
	switch {
	case !ok || !h.structured:
		return writeReply(h, opt, repErrInvalid, nil)
	case h.server.share(q.name) == nil:
		return writeReply(h, opt, repErrUnknown, nil)
	}
	wanted := opt == optListMeta && len(q.queries) == 0
	for _, s := range q.queries {
		if s == contextAllocation || opt == optListMeta && s == "base:" {
			wanted = true
		}
	}
	if wanted {
		id := uint32(contextID)
		if opt == optSetMeta {
			h.status, h.meta = true, q.name
		} else {
			id = 0
		}
		if err := writeReply(h, opt, repMeta, append(be.AppendUint32(nil, id), contextAllocation...)); err != nil {
			return err
		}
	}
	return writeReply(h, opt, repAck, nil)
}
