package protocol

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// Client is the library's side of a connection. Its methods can be called from several
// goroutines; calls wait for each other.
type Client struct {
	// Progress is called with the progress of calls, in the goroutine of the call. May
	// be nil. Set it before the first call.
	Progress func(Progress)

	conn *conn

	mu     sync.Mutex // held during a call
	serial uint32
	err    error // set when the connection is of no more use
}

// NewClient returns the library's side of rw. [Client.WaitLaunch] comes first.
func NewClient(rw io.ReadWriteCloser) *Client {
	return &Client{conn: newConn(rw), serial: FirstSerial}
}

// Close closes the connection.
func (c *Client) Close() error {
	c.conn.close(io.ErrClosedPipe)
	return nil
}

// WaitLaunch waits for the word that the daemon is ready.
func (c *Client) WaitLaunch(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	stop := c.conn.stopWith(ctx)
	defer stop()
	f, err := c.conn.next()
	if err == nil && f.word != LaunchWord {
		err = fmt.Errorf("%w: message before launch", ErrProtocol)
	}
	return c.lost(err)
}

// lost makes the connection useless if there is an error.
func (c *Client) lost(err error) error {
	if err != nil && c.err == nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		c.err = fmt.Errorf("daemon: %w", err)
		c.conn.close(c.err)
		return c.err
	}
	return err
}

// Request is a call to make.
type Request struct {
	Proc    uint32
	OptArgs uint64 // bit i: optional argument i is given

	// Args encodes the arguments, Result decodes the result; either may be nil.
	Args, Result func(*xdr.Codec)

	In   io.Reader // the file of a call with FileIn
	Hint uint64    // how much In will give, or 0
	Out  io.Writer // where the file of a call with FileOut goes
}

// Call makes a call and waits for its end. What the daemon answers as an error is an
// [*Error]. If ctx ends, or In or Out fails, a transfer is cancelled; calls without a
// file cannot be, but for the loss of the connection. An error of In or Out is returned
// as it is.
func (c *Client) Call(ctx context.Context, r *Request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	h := Header{Proc: r.Proc, Serial: c.serial, ProgressHint: r.Hint, OptArgs: r.OptArgs}
	m, err := appendMessage(nil, &h, r.Args)
	if err != nil {
		return err
	}
	c.serial++
	cancels := c.conn.cancelCount()
	if err := c.conn.write(m); err != nil {
		return c.lost(err)
	}
	var local error // what failed at this end
	if r.In != nil {
		local, err = c.send(ctx, r.In, cancels)
		if err != nil {
			return c.lost(err)
		}
	}
	remote, err := c.reply(&h, r.Result)
	switch {
	case err != nil:
		return c.lost(err)
	case local != nil:
		return local
	case remote != nil:
		return remote
	case r.Out != nil:
		return c.receive(ctx, r.Out)
	}
	return nil
}

// cancelCount returns how many CANCEL words have come.
func (c *conn) cancelCount() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancels
}

// send sends a file. The first error is one of in or ctx, the second of the
// connection.
func (c *Client) send(ctx context.Context, in io.Reader, cancels uint64) (local, err error) {
	data := make([]byte, BatchSize)
	buf := make([]byte, 0, BatchSize+BatchSize/ChunkMax*chunkPrefix+chunkPrefix)
	for {
		n, readErr := io.ReadFull(in, data)
		if readErr == io.ErrUnexpectedEOF {
			readErr = io.EOF
		}
		if e := ctx.Err(); e != nil {
			readErr = e
		}
		refused := c.conn.cancelCount() != cancels
		buf = buf[:0]
		if !refused {
			for b := data[:n]; len(b) > 0; {
				k := min(len(b), ChunkMax)
				buf = appendChunk(buf, b[:k], false)
				b = b[k:]
			}
		}
		done := refused || readErr != nil
		if done {
			buf = appendChunk(buf, nil, refused || readErr != io.EOF)
		}
		if err := c.conn.write(buf); err != nil {
			return nil, err
		}
		switch {
		case !done:
		case refused || readErr == io.EOF:
			return nil, nil
		default:
			return readErr, nil
		}
		if err := c.pollProgress(); err != nil {
			return nil, err
		}
	}
}

// pollProgress handles progress messages that are there already.
func (c *Client) pollProgress() error {
	for {
		f, ok := c.conn.popProgress()
		if !ok {
			return nil
		}
		if err := c.handleProgress(f); err != nil {
			return err
		}
	}
}

// popProgress returns the next frame if it is progress.
func (c *conn) popProgress() (frame, bool) {
	c.mu.Lock()
	is := len(c.queue) > 0 && c.queue[0].word == ProgressWord
	c.mu.Unlock()
	if !is {
		return frame{}, false
	}
	f, ok, _ := c.poll(false)
	return f, ok
}

func (c *Client) handleProgress(f frame) error {
	var p Progress
	d := xdr.NewDecoder(f.body)
	p.Code(d)
	if err := d.End(); err != nil {
		return fmt.Errorf("%w: progress: %w", ErrProtocol, err)
	}
	if c.Progress != nil {
		c.Progress(p)
	}
	return nil
}

// message returns the next message and handles progress on the way.
func (c *Client) message() ([]byte, error) {
	for {
		f, err := c.conn.next()
		switch {
		case err != nil:
			return nil, err
		case f.word == ProgressWord:
			if err := c.handleProgress(f); err != nil {
				return nil, err
			}
		case f.word != 0:
			return nil, fmt.Errorf("%w: word %#x from the daemon", ErrProtocol, f.word)
		default:
			return f.body, nil
		}
	}
}

// reply waits for the reply to a call. The first error is the daemon's, the second one
// of the connection.
func (c *Client) reply(call *Header, result func(*xdr.Codec)) (remote, err error) {
	body, err := c.message()
	if err != nil {
		return nil, err
	}
	h, rest, err := decodeHeader(body, true)
	if err != nil {
		return nil, err
	}
	if h.Proc != call.Proc || h.Serial != call.Serial {
		return nil, fmt.Errorf("%w: reply to call %#x of procedure %d, not %#x of %d",
			ErrProtocol, h.Serial, h.Proc, call.Serial, call.Proc)
	}
	d := xdr.NewDecoder(rest)
	if h.failed {
		e := &Error{}
		e.Code(d)
		return e, protocolError(d.End())
	}
	if result != nil {
		result(d)
	}
	return nil, protocolError(d.End())
}

func protocolError(err error) error {
	if err != nil {
		return fmt.Errorf("%w: reply: %w", ErrProtocol, err)
	}
	return nil
}

// receive receives a file.
func (c *Client) receive(ctx context.Context, out io.Writer) error {
	buf := make([]byte, 0, BatchSize)
	var local error
	fail := func(err error) error {
		local = err
		return c.conn.writeWord(CancelWord)
	}
	flush := func() error {
		if len(buf) == 0 || local != nil {
			return nil
		}
		_, err := out.Write(buf)
		buf = buf[:0]
		if err != nil {
			return fail(err)
		}
		return nil
	}
	for {
		body, err := c.message()
		if err != nil {
			return c.lost(err)
		}
		data, cancel, err := parseChunk(body)
		if err != nil {
			return c.lost(err)
		}
		end := cancel || len(data) == 0
		if !end && local == nil {
			buf = append(buf, data...)
		}
		c.conn.recycle(body)
		if end || len(buf) > BatchSize-ChunkMax {
			if err := flush(); err != nil {
				return c.lost(err)
			}
		}
		switch {
		case local != nil && end:
			return local
		case cancel:
			return ErrCancelled
		case end:
			return nil
		case local == nil && ctx.Err() != nil:
			if err := fail(ctx.Err()); err != nil {
				return c.lost(err)
			}
		}
	}
}
