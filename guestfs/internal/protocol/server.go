package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/cause"
)

// Transfer is the file that a call carries.
type Transfer uint8

// The transfers.
const (
	NoFile  Transfer = iota
	FileIn           // to the daemon, after the call
	FileOut          // from the daemon, after the reply
)

// Handler answers calls, one at a time.
type Handler interface {
	// Transfer returns which file a procedure transfers. It is asked before Handle and
	// has to know every procedure that does, also those that always fail.
	Transfer(proc uint32) Transfer

	// Handle answers a call. ctx ends when the library cancels a transfer from the
	// daemon or goes away, and when Serve's context does. An error becomes an error
	// reply with its text and the name of its errno ([Errno]), or, if something of a
	// FileOut was sent already, the chunk that stands for an error.
	Handle(ctx context.Context, c *Call) error
}

// Server is the daemon's side of connections.
type Server struct {
	Handler Handler

	// Panic is called with what a handler panicked with, and its stack. The library
	// gets an error reply. May be nil.
	Panic func(value any, stack []byte)
}

// Launched sends the word that the daemon is ready. It is the first thing that the
// library expects.
func Launched(w io.Writer) error {
	c := conn{rw: writeOnly{w}}
	return c.writeWord(LaunchWord)
}

type writeOnly struct{ io.Writer }

func (writeOnly) Read([]byte) (int, error) { return 0, io.EOF }
func (writeOnly) Close() error             { return nil }

// Serve answers the calls that come over rw until the library closes it, which is not
// an error. It closes rw. If ctx ends, a call that runs is given up, and Serve returns
// the context's cause, which also wraps ctx.Err(), when its handler has returned.
func (s *Server) Serve(ctx context.Context, rw io.ReadWriteCloser) error {
	c := newConn(rw)
	defer c.close(io.EOF)
	stop := c.stopWith(ctx)
	defer stop()
	for {
		if ctx.Err() != nil {
			return cause.Of(ctx)
		}
		f, err := c.next()
		if err == nil && f.word != 0 {
			err = fmt.Errorf("%w: word %#x from the library", ErrProtocol, f.word)
		}
		if err == nil {
			err = s.serveCall(ctx, c, f)
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return cause.Of(ctx)
		case err == io.EOF:
			return nil
		default:
			return err
		}
	}
}

// serveCall answers one call. An error is one of the connection.
func (s *Server) serveCall(ctx context.Context, c *conn, f frame) error {
	h, args, err := decodeHeader(f.body, false)
	if err != nil {
		return err
	}
	serving := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call := &Call{Header: h, Args: args, conn: c, seq: f.seq}
	call.progress.begin(c.writeProgress, h)
	transfer := s.Handler.Transfer(h.Proc)
	c.watch(cancel, func() {
		if transfer == FileOut && call.cancelled() {
			cancel()
		}
	})
	defer c.watch(nil, nil)
	var in *input
	var out *output
	switch transfer {
	case FileIn:
		in = &input{conn: c}
		call.in = in
	case FileOut:
		out = &output{call: call}
		call.out = out
		if call.cancelled() {
			cancel()
		}
	}
	err = s.handle(ctx, call)
	if serving.Err() != nil {
		// The library is to see the end of the connection, as when qemu ends, and no
		// answer: it would believe that the next call will be answered.
		return cause.Of(serving)
	}
	switch transfer {
	case FileIn:
		err = in.finish(err)
	case FileOut:
		call.progress.finish(err == nil)
		return out.finish(err)
	}
	if errors.Is(err, errConn) {
		return err
	}
	call.progress.finish(err == nil)
	return call.sendReply(err)
}

// watch sets the hooks for a connection's end and for a CANCEL.
func (c *conn) watch(onClose, onCancel func()) {
	c.mu.Lock()
	c.onClose, c.onCancel = onClose, onCancel
	closed := c.err != nil
	c.mu.Unlock()
	if closed && onClose != nil {
		onClose()
	}
}

func (s *Server) handle(ctx context.Context, call *Call) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if s.Panic != nil {
			s.Panic(v, debug.Stack())
		}
		err = &Error{Message: fmt.Sprintf("internal error: %v", v)}
	}()
	return s.Handler.Handle(ctx, call)
}

// Call is one call, valid until its handler returns.
type Call struct {
	Header
	Args []byte // encoded arguments

	conn     *conn
	seq      uint64
	in       io.Reader
	out      io.Writer
	result   func(*xdr.Codec)
	progress progress
}

// In returns the file of a call with FileIn. Reading it ends with io.EOF, or with
// ErrCancelled if the library could not send all of it. What a handler that returns no
// error has left is discarded.
func (c *Call) In() io.Reader { return c.in }

// Out returns the file of a call with FileOut. Writing to it fails with ErrCancelled
// once the library has cancelled.
func (c *Call) Out() io.Writer { return c.out }

// Return sets what encodes the result of the call, after the handler has returned
// without an error.
func (c *Call) Return(result func(*xdr.Codec)) { c.result = result }

// Progress reports to the library how far the call is, if it is time to: from the third
// second on, three times a second. A total of 0 means an unknown one. It may be called at
// any rate and from any goroutine while the handler runs.
func (c *Call) Progress(position, total uint64) { c.progress.report(position, total) }

// cancelled reports whether the library has sent a CANCEL after the call.
func (c *Call) cancelled() bool {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	return c.conn.cancelSeq == c.seq
}

// sendReply sends the result, or err.
func (c *Call) sendReply(err error) error {
	b, err := c.appendReply(nil, err)
	if err != nil {
		return err
	}
	return c.conn.write(b)
}

func (c *Call) appendReply(b []byte, failure error) ([]byte, error) {
	h := Header{Proc: c.Proc, Serial: c.Serial, reply: true}
	if failure == nil {
		m, err := appendMessage(b, &h, c.result)
		if err == nil {
			return m, nil
		}
		failure = fmt.Errorf("result cannot be sent: %w", err)
	}
	h.failed = true
	return appendMessage(b, &h, toWire(failure).Code)
}
