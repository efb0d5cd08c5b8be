package protocol

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// readAhead is how many bytes of messages wait before reading stops.
const readAhead = 1 << 20

// ErrProtocol is what the other side did that it must not do. The connection is
// closed after it.
var ErrProtocol = errors.New("protocol error")

// frame is one message, or a word with what belongs to it.
type frame struct {
	word uint32 // 0, ProgressWord or LaunchWord
	body []byte
	seq  uint64 // of messages, from 1
}

// conn reads messages in a goroutine of its own and writes them.
type conn struct {
	rw io.ReadWriteCloser

	writeMu sync.Mutex // held while one message is written

	mu        sync.Mutex // guards what follows
	changed   sync.Cond
	queue     []frame
	queued    int      // bytes in queue
	seq       uint64   // of the last message
	cancelSeq uint64   // seq when the last CANCEL came
	cancels   uint64   // how many came
	spare     [][]byte // buffers for chunks
	onCancel  func()   // called, without mu, for each CANCEL
	onClose   func()   // called, without mu, when err is set
	err       error
}

func newConn(rw io.ReadWriteCloser) *conn {
	c := &conn{rw: rw}
	c.changed.L = &c.mu
	go c.readAll()
	return c
}

// close closes the connection; what waits returns err.
func (c *conn) close(err error) {
	c.mu.Lock()
	first := c.err == nil
	if first {
		c.err = err
	}
	hook := c.onClose
	c.changed.Broadcast()
	c.mu.Unlock()
	if first {
		c.rw.Close()
		if hook != nil {
			hook()
		}
	}
}

// readAll reads until the connection ends.
func (c *conn) readAll() {
	r := bufio.NewReaderSize(c.rw, 128<<10)
	for {
		if err := c.readFrame(r); err != nil {
			c.close(err)
			return
		}
	}
}

// readFrame returns io.EOF only at the end of a message.
func (c *conn) readFrame(r *bufio.Reader) error {
	var b [4]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return err
	}
	f := frame{word: binary.BigEndian.Uint32(b[:])}
	size := 0
	switch f.word {
	case CancelWord:
		c.cancelled()
		return nil
	case LaunchWord:
	case ProgressWord:
		size = progressSize
	default:
		if f.word > MessageMax {
			return fmt.Errorf("%w: message of %d bytes", ErrProtocol, f.word)
		}
		size, f.word = int(f.word), 0
	}
	f.body = c.buffer(size)
	if _, err := io.ReadFull(r, f.body); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return c.put(f)
}

func (c *conn) cancelled() {
	c.mu.Lock()
	c.cancelSeq = c.seq
	c.cancels++
	hook := c.onCancel
	c.mu.Unlock()
	if hook != nil {
		hook()
	}
}

// put appends f to the queue when there is room.
func (c *conn) put(f frame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil && c.queued > 0 && c.queued+len(f.body) > readAhead {
		c.changed.Wait()
	}
	if c.err != nil {
		return c.err
	}
	if f.word == 0 {
		c.seq++
		f.seq = c.seq
	}
	c.queue = append(c.queue, f)
	c.queued += len(f.body) + 1
	c.changed.Broadcast()
	return nil
}

// next returns the next frame. What came before the connection ended is returned
// before the error, unless this side closed it.
func (c *conn) next() (frame, error) {
	f, ok, err := c.poll(true)
	if !ok && err == nil {
		err = io.EOF
	}
	return f, err
}

// poll returns the next frame and true, or false if there is none and wait is not
// set.
func (c *conn) poll(wait bool) (frame, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for wait && len(c.queue) == 0 && c.err == nil {
		c.changed.Wait()
	}
	if len(c.queue) == 0 {
		return frame{}, false, c.err
	}
	f := c.queue[0]
	c.queue[0] = frame{}
	c.queue = c.queue[1:]
	full := c.queued > readAhead/2
	c.queued -= len(f.body) + 1
	if full || c.queued == 0 {
		c.changed.Broadcast()
	}
	return f, true, nil
}

const spareBuffers = readAhead / ChunkMax

// buffer returns one of n bytes.
func (c *conn) buffer(n int) []byte {
	if n <= ChunkMax/2 || n > ChunkMax+chunkOverhead {
		return make([]byte, n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := len(c.spare); k > 0 {
		b := c.spare[k-1]
		c.spare = c.spare[:k-1]
		return b[:n]
	}
	return make([]byte, n, ChunkMax+chunkOverhead)
}

// recycle takes back what buffer returned.
func (c *conn) recycle(b []byte) {
	if cap(b) != ChunkMax+chunkOverhead {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.spare) < spareBuffers {
		c.spare = append(c.spare, b)
	}
}

// write writes whole messages. If the connection has ended, the error is why.
func (c *conn) write(b []byte) error {
	c.writeMu.Lock()
	_, err := c.rw.Write(b)
	c.writeMu.Unlock()
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch c.err {
		case nil:
		case io.EOF:
			return io.ErrUnexpectedEOF // in the middle of a call
		default:
			return c.err
		}
	}
	return err
}

func (c *conn) writeWord(w uint32) error {
	return c.write(binary.BigEndian.AppendUint32(nil, w))
}

func (c *conn) writeProgress(p Progress) error {
	e := xdr.NewEncoder(binary.BigEndian.AppendUint32(nil, ProgressWord))
	p.Code(e)
	b, _ := e.Result()
	return c.write(b)
}

// appendMessage appends a message of a header and what code encodes, and its length.
func appendMessage(b []byte, h *Header, code func(*xdr.Codec)) ([]byte, error) {
	e := xdr.NewEncoder(make([]byte, 4, 256))
	h.Code(e)
	if code != nil {
		code(e)
	}
	m, err := e.Result()
	if err != nil {
		return b, err
	}
	binary.BigEndian.PutUint32(m, uint32(len(m)-4))
	return append(b, m...), nil
}

// stopWith closes c when ctx is done, until the returned function is called.
func (c *conn) stopWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.close(context.Cause(ctx)) })
}
