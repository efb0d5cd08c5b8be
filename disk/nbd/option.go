package nbd

import (
	"fmt"
	"io"
)

// An optReply is what a server answers to an option.
type optReply struct {
	typ  uint32
	data []byte
}

// writeOption sends an option with its data.
func writeOption(w io.Writer, opt uint32, data []byte) error {
	b := make([]byte, 0, 16+len(data))
	b = be.AppendUint64(b, magicOption)
	b = be.AppendUint32(b, opt)
	b = be.AppendUint32(b, uint32(len(data)))
	_, err := w.Write(append(b, data...))
	return err
}

// readOption reads an option, as a server. The error is a tooLong if there is more data than
// an option needs, which was skipped.
func readOption(r io.Reader) (opt uint32, data []byte, err error) {
	var h [16]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, nil, err
	}
	if m := be.Uint64(h[:]); m != magicOption {
		return 0, nil, violation("an option that begins with %#x", m)
	}
	opt = be.Uint32(h[8:])
	n := be.Uint32(h[12:])
	if n > maxOption {
		if n > maxPayload {
			return opt, nil, violation("an option of %d bytes", n)
		}
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return opt, nil, err
		}
		return opt, nil, tooLong(n)
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return opt, data, err
}

type tooLong uint32

func (n tooLong) Error() string { return fmt.Sprintf("an option of %d bytes", uint32(n)) }

// writeReply sends a reply to an option.
func writeReply(w io.Writer, opt, typ uint32, data []byte) error {
	b := make([]byte, 0, optHeaderSize+len(data))
	b = be.AppendUint64(b, magicOptReply)
	b = be.AppendUint32(b, opt)
	b = be.AppendUint32(b, typ)
	b = be.AppendUint32(b, uint32(len(data)))
	_, err := w.Write(append(b, data...))
	return err
}

// readReply reads a reply to an option. One that is an error is a *refusal.
func readReply(r io.Reader, opt uint32) (optReply, error) {
	var h [optHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return optReply{}, ended(err)
	}
	if m := be.Uint64(h[:]); m != magicOptReply {
		return optReply{}, violation("a reply to an option that begins with %#x", m)
	}
	if got := be.Uint32(h[8:]); got != opt {
		return optReply{}, violation("a reply to option %d, not to %d", got, opt)
	}
	a := optReply{typ: be.Uint32(h[12:])}
	n := be.Uint32(h[16:])
	if n > maxOption {
		return optReply{}, violation("a reply of %d bytes to option %d", n, opt)
	}
	a.data = make([]byte, n)
	if _, err := io.ReadFull(r, a.data); err != nil {
		return optReply{}, ended(err)
	}
	if a.typ&repError != 0 {
		return optReply{}, &refusal{a.typ, text(a.data)}
	}
	return a, nil
}

// ended makes an error of the end of a connection where there should be more.
func ended(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendString appends a text with its length before it.
func appendString(b []byte, s string) []byte {
	return append(be.AppendUint32(b, uint32(len(s))), s...)
}

// cutString takes a text off that has its length before it.
func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 4 {
		return "", nil, false
	}
	n := be.Uint32(b)
	if b = b[4:]; n > maxName || int(n) > len(b) {
		return "", nil, false
	}
	return string(b[:n]), b[n:], true
}

// infoRequest is the data of optInfo and optGo.
type infoRequest struct {
	name  string
	kinds []uint16
}

func (q *infoRequest) append(b []byte) []byte {
	b = appendString(b, q.name)
	b = be.AppendUint16(b, uint16(len(q.kinds)))
	for _, k := range q.kinds {
		b = be.AppendUint16(b, k)
	}
	return b
}

func parseInfoRequest(b []byte) (q infoRequest, ok bool) {
	if q.name, b, ok = cutString(b); !ok || len(b) < 2 || len(b) != 2+2*int(be.Uint16(b)) {
		return q, false
	}
	for b = b[2:]; len(b) > 0; b = b[2:] {
		q.kinds = append(q.kinds, be.Uint16(b))
	}
	return q, true
}

// metaRequest is the data of optListMeta and optSetMeta.
type metaRequest struct {
	name    string
	queries []string
}

func (q *metaRequest) append(b []byte) []byte {
	b = appendString(b, q.name)
	b = be.AppendUint32(b, uint32(len(q.queries)))
	for _, s := range q.queries {
		b = appendString(b, s)
	}
	return b
}

func parseMetaRequest(b []byte) (q metaRequest, ok bool) {
	if q.name, b, ok = cutString(b); !ok || len(b) < 4 {
		return q, false
	}
	n := be.Uint32(b)
	for b = b[4:]; n > 0; n-- {
		var s string
		if s, b, ok = cutString(b); !ok {
			return q, false
		}
		q.queries = append(q.queries, s)
	}
	return q, len(b) == 0
}

// parseListed reads a repServer: the name of an export, and maybe what it is.
func parseListed(b []byte) (e Export, err error) {
	name, rest, ok := cutString(b)
	if !ok {
		return e, violation("an export in a list without a name")
	}
	return Export{Name: name, Description: text(rest)}, nil
}
