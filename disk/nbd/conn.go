package nbd

import (
	"bufio"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/unboot/unboot/disk/internal/link"
)

// maxFlight is how many requests a connection has under way. QEMU serves as many.
const maxFlight = 16

// A request is one of a client. What belongs to the answer is written by the connection
// until done is closed.
type request struct {
	typ, flags uint16
	off        int64
	length     uint32
	data       []byte // to be written, or to be read into

	got    coverage // of data, by structured replies
	status []extent // of cmdBlockStatus
	err    error    // of the server
	lost   error    // why there is no answer
	done   chan struct{}
}

// A conn is a connection in the transmission phase. Its methods may be called from several
// goroutines at once.
type conn struct {
	net.Conn
	export     Export
	structured bool
	context    uint32 // the number of the context of allocation
	status     bool   // there is one
	stall      time.Duration

	r     *bufio.Reader
	limit *link.Reader

	slots  chan struct{} // one for each request under way
	sendMu sync.Mutex    // one request at a time on the wire

	mu      sync.Mutex
	pending map[uint64]*request // guarded by mu
	cookie  uint64              // guarded by mu: the last one
	err     error               // guarded by mu: why it is over
	over    chan struct{}       // closed when it is over and nothing is under way
}

func newConn(s *session, e Export, stall time.Duration) *conn {
	return &conn{Conn: s.Conn, r: s.r, limit: s.limit, export: e, stall: stall,
		slots: make(chan struct{}, maxFlight), pending: map[uint64]*request{}, over: make(chan struct{})}
}

// do sends a request and waits for the answer. The error is a *lostError if there was none.
func (c *conn) do(q *request) error {
	c.slots <- struct{}{}
	defer func() { <-c.slots }()
	q.err, q.lost, q.status, q.got = nil, nil, nil, coverage{size: int64(q.length)}
	q.done = make(chan struct{})
	cookie, err := c.enlist(q)
	if err != nil {
		return &lostError{Err: err}
	}
	if err := c.send(q, cookie); err != nil {
		c.End(err) // and receive ends all that is pending
	}
	<-q.done
	if q.lost != nil {
		return &lostError{Err: q.lost}
	}
	return q.err
}

// enlist makes a request one that an answer is expected for.
func (c *conn) enlist(q *request) (cookie uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	c.cookie++
	c.pending[c.cookie] = q
	if len(c.pending) == 1 || slow(q.typ) {
		c.limit.Expect(c.allowance())
	}
	return c.cookie, nil
}

// slow reports whether a request may take a server a long time without a sign of life.
func slow(typ uint16) bool { return typ != cmdRead && typ != cmdBlockStatus }

// allowance returns how long the server may say nothing. The caller holds mu.
func (c *conn) allowance() time.Duration {
	if len(c.pending) == 0 {
		return 0
	}
	for _, q := range c.pending {
		if slow(q.typ) {
			return 10 * c.stall
		}
	}
	return c.stall
}

// send writes a request.
func (c *conn) send(q *request, cookie uint64) error {
	h := header{q.flags, q.typ, cookie, uint64(q.off), q.length}
	bufs := net.Buffers{h.append(make([]byte, 0, requestSize))}
	if q.typ == cmdWrite {
		bufs = append(bufs, q.data)
	}
	c.sendMu.Lock()
	defer c.sendMu.Unlock()
	// The slowest line that is thought of takes 64 KiB in a second.
	c.SetWriteDeadline(time.Now().Add(c.stall + time.Duration(len(q.data)>>16)*time.Second))
	_, err := bufs.WriteTo(c.Conn)
	return err
}

// End gives the connection up. The first reason counts.
func (c *conn) End(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.Close()
}

// Failed returns why the connection is over, or nil.
func (c *conn) Failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// receive reads answers until the connection ends. No request is written to afterwards.
func (c *conn) receive() {
	for {
		if err := c.reply(); err != nil {
			c.End(stalled(ended(err)))
			break
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cookie := range slices.Sorted(maps.Keys(c.pending)) {
		q := c.pending[cookie]
		q.lost = c.err
		close(q.done)
	}
	clear(c.pending)
	close(c.over)
}

// stalled says of a deadline what it means.
func stalled(err error) error {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return errors.New("the server does not answer")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the server has closed it")
	}
	return err
}

// find returns the request that an answer is for.
func (c *conn) find(cookie uint64) (*request, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.pending[cookie]
	if q == nil {
		return nil, violation("an answer to a request that is not under way")
	}
	return q, nil
}

// finish ends a request that was answered.
func (c *conn) finish(cookie uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.pending[cookie]
	delete(c.pending, cookie)
	c.limit.Expect(c.allowance())
	close(q.done)
}

// disconnect says goodbye.
func (c *conn) disconnect() {
	if c.Failed() == nil {
		c.send(&request{typ: cmdDisconnect}, 0)
	}
	c.End(net.ErrClosed)
	<-c.over
}
