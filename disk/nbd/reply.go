package nbd

import (
	"fmt"
	"io"
	"math"
)

// An extent is a part of a reply to BLOCK_STATUS.
type extent struct {
	length, state uint32
}

// reply reads one answer, or a chunk of one. After an error, nothing more can be read.
func (c *conn) reply() error {
	var b [20]byte
	if _, err := io.ReadFull(c.r, b[:4]); err != nil {
		return err
	}
	switch m := be.Uint32(b[:]); {
	case m == magicSimple:
		if _, err := io.ReadFull(c.r, b[4:16]); err != nil {
			return err
		}
		return c.simple(be.Uint32(b[4:]), be.Uint64(b[8:]))
	case m == magicStructured && c.structured:
		if _, err := io.ReadFull(c.r, b[4:20]); err != nil {
			return err
		}
		k := chunk{be.Uint16(b[4:]), be.Uint16(b[6:]), be.Uint64(b[8:]), be.Uint32(b[16:])}
		return c.chunk(&k)
	default:
		return violation("an answer that begins with %#x", m)
	}
}

// simple reads what follows the header of a simple reply.
func (c *conn) simple(number uint32, cookie uint64) error {
	q, err := c.find(cookie)
	if err != nil {
		return err
	}
	switch {
	case number != 0:
		q.fail(errno(number))
	case c.structured && (q.typ == cmdRead || q.typ == cmdBlockStatus):
		return violation("an unstructured answer to a %s", command(q.typ))
	case q.typ == cmdRead:
		if _, err := io.ReadFull(c.r, q.data); err != nil {
			return err
		}
		q.got.sum = q.got.size
	}
	c.finish(cookie)
	return nil
}

// fail notes an error of the server. The first one counts.
func (q *request) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

// A chunk is the header of a structured reply.
type chunk struct {
	flags, typ uint16
	cookie     uint64
	length     uint32 // of what follows
}

// chunk reads what follows the header of a chunk.
func (c *conn) chunk(k *chunk) error {
	q, err := c.find(k.cookie)
	if err != nil {
		return err
	}
	switch {
	case k.typ == chunkNone:
		if k.length != 0 || k.flags&chunkDone == 0 {
			return violation("an empty chunk of %d bytes that is not the last", k.length)
		}
	case k.typ == chunkData && q.typ == cmdRead:
		err = c.data(q, k.length)
	case k.typ == chunkHole && q.typ == cmdRead:
		err = c.hole(q, k.length)
	case k.typ == chunkStatus && q.typ == cmdBlockStatus:
		err = c.extents(q, k.length)
	case k.typ&chunkIsError != 0:
		err = c.chunkError(q, k)
	default:
		err = violation("a chunk of type %d in the answer to a %s", k.typ, command(q.typ))
	}
	if err != nil || k.flags&chunkDone == 0 {
		return err
	}
	switch {
	case q.err != nil:
	case q.typ == cmdRead && !q.got.whole():
		return violation("%d of %d bytes that were to be read", q.got.sum, q.length)
	case q.typ == cmdBlockStatus && len(q.status) == 0:
		return violation("a block status without extents")
	}
	c.finish(k.cookie)
	return nil
}

// place returns the part of what is read that n bytes at an offset of the export are.
func (q *request) place(off uint64, n int64) ([]byte, error) {
	if off > math.MaxInt64 || int64(off) < q.off || int64(off)-q.off > int64(q.length)-n || n <= 0 {
		return nil, violation("%d bytes at %d, where %d at %d were to be read", n, off, q.length, q.off)
	}
	at := int64(off) - q.off
	if err := q.got.add(at, at+n); err != nil {
		return nil, err
	}
	return q.data[at : at+n], nil
}

func (c *conn) data(q *request, length uint32) error {
	var b [8]byte
	if length < 9 {
		return violation("a chunk of data of %d bytes", length)
	}
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return err
	}
	p, err := q.place(be.Uint64(b[:]), int64(length)-8)
	if err != nil {
		return err
	}
	_, err = io.ReadFull(c.r, p)
	return err
}

func (c *conn) hole(q *request, length uint32) error {
	var b [12]byte
	if length != 12 {
		return violation("a hole of %d bytes", length)
	}
	if _, err := io.ReadFull(c.r, b[:]); err != nil {
		return err
	}
	p, err := q.place(be.Uint64(b[:]), int64(be.Uint32(b[8:])))
	if err != nil {
		return err
	}
	clear(p)
	return nil
}

// extents reads a block status.
func (c *conn) extents(q *request, length uint32) error {
	if length < 12 || length%8 != 4 || length > maxStatus {
		return violation("a block status of %d bytes", length)
	}
	var b [8]byte
	if _, err := io.ReadFull(c.r, b[:4]); err != nil {
		return err
	}
	if id := be.Uint32(b[:]); id != c.context || len(q.status) > 0 {
		return violation("a block status of context %d that was not asked for", id)
	}
	room := uint64(q.length)
	for length -= 4; length > 0; length -= 8 {
		if _, err := io.ReadFull(c.r, b[:]); err != nil {
			return err
		}
		e := extent{be.Uint32(b[:]), be.Uint32(b[4:])}
		if e.length == 0 || room == 0 {
			return violation("extents of more than the %d bytes that were asked for, or of none", q.length)
		}
		// The last one may go past the end of what was asked for.
		room -= min(room, uint64(e.length))
		q.status = append(q.status, e)
	}
	return nil
}

// chunkError reads an error in a structured reply.
func (c *conn) chunkError(q *request, k *chunk) error {
	if k.length < 4 || k.length > maxName+16 {
		return violation("an error of %d bytes", k.length)
	}
	b := make([]byte, k.length)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return err
	}
	var err error = errno(be.Uint32(b))
	if len(b) >= 6 {
		n := int(be.Uint16(b[4:]))
		if n > len(b)-6 {
			return violation("the text of an error in %d bytes", len(b))
		}
		if words := text(b[6 : 6+n]); words != "" && words != err.Error() {
			err = fmt.Errorf("%w (the server says: %s)", err, words)
		}
	}
	q.fail(err)
	return nil
}
