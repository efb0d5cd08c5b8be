package protocol

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// Caller makes calls: a [Client] over a connection, or a [Local] in the same program.
type Caller interface {
	Call(ctx context.Context, r *Request) error
	Close() error
}

// Local makes calls to a server in the same program, in the goroutine of the caller:
// without a connection, and without chunks, so that a file is copied no more often than
// its two ends do. Arguments and results are encoded as for a connection, so that what
// works here works there.
type Local struct {
	// Progress is called with the progress of calls. May be nil. Set it before the
	// first call.
	Progress func(Progress)

	server *Server

	mu     sync.Mutex // held during a call
	serial uint32
	closed bool
}

// NewLocal returns a Local for a server.
func NewLocal(s *Server) *Local { return &Local{server: s, serial: FirstSerial} }

// Close waits for the call that is being made and lets no other begin.
func (l *Local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

// Call is like [Client.Call]. An error after the begin of a file keeps its text.
func (l *Local) Call(ctx context.Context, r *Request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return io.ErrClosedPipe
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	e := xdr.NewEncoder(nil)
	if r.Args != nil {
		r.Args(e)
	}
	args, err := e.Result()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call := &Call{
		Header: Header{Proc: r.Proc, Serial: l.serial, ProgressHint: r.Hint, OptArgs: r.OptArgs},
		Args:   args,
	}
	l.serial++
	call.progress.begin(l.progress, call.Header)
	file := &localFile{ctx: ctx, in: r.In, out: r.Out, cancel: cancel}
	switch l.server.Handler.Transfer(r.Proc) {
	case FileIn:
		call.in = localIn{file}
	case FileOut:
		call.out = localOut{file}
	}
	err = l.server.handle(ctx, call)
	file.end()
	call.progress.finish(err == nil)
	switch local := file.failure(); {
	case local != nil:
		return local
	case err != nil:
		return toWire(err)
	}
	return call.pass(r.Result)
}

func (l *Local) progress(p Progress) error {
	if l.Progress != nil {
		l.Progress(p)
	}
	return nil
}

// pass gives what the handler returned to who decodes it.
func (c *Call) pass(result func(*xdr.Codec)) error {
	e := xdr.NewEncoder(nil)
	if c.result != nil {
		c.result(e)
	}
	b, err := e.Result()
	if err != nil {
		return toWire(fmt.Errorf("result cannot be sent: %w", err))
	}
	if result == nil {
		return nil
	}
	d := xdr.NewDecoder(b)
	result(d)
	return protocolError(d.End())
}

// localFile is the file of a call. Its ends may be used from other goroutines of the
// handler, but not after the handler has returned.
type localFile struct {
	ctx    context.Context
	in     io.Reader
	out    io.Writer
	cancel func()

	mu    sync.Mutex // guards what follows
	err   error      // of in or out, or ctx
	ended bool
}

// fail notes an error of the caller's end of the file and returns what the handler is
// to see of it.
func (f *localFile) fail(err error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
		f.cancel()
	}
	return ErrCancelled
}

// usable returns an error when the file has no more use.
func (f *localFile) usable() error {
	if f.failure() != nil {
		return ErrCancelled
	}
	f.mu.Lock()
	ended := f.ended
	f.mu.Unlock()
	if ended {
		return ErrCancelled
	}
	if err := f.ctx.Err(); err != nil {
		return f.fail(err)
	}
	return nil
}

func (f *localFile) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *localFile) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended = true
}

type localIn struct{ *localFile }

// Read implements io.Reader.
func (f localIn) Read(p []byte) (int, error) {
	if err := f.usable(); err != nil {
		return 0, err
	}
	if f.in == nil {
		return 0, io.EOF
	}
	n, err := f.in.Read(p)
	if err != nil && err != io.EOF {
		err = f.fail(err)
	}
	return n, err
}

// WriteTo implements io.WriterTo: it writes in pieces of BatchSize.
func (f localIn) WriteTo(w io.Writer) (int64, error) {
	return copyBatches(w, readOnly{f})
}

type localOut struct{ *localFile }

// Write implements io.Writer.
func (f localOut) Write(p []byte) (int, error) {
	if err := f.usable(); err != nil {
		return 0, err
	}
	if f.out == nil {
		return len(p), nil
	}
	n, err := f.out.Write(p)
	if err != nil {
		err = f.fail(err)
	}
	return n, err
}

// ReadFrom implements io.ReaderFrom. Where both ends can do more than to give and take
// memory, they do it among themselves; else it reads in pieces of BatchSize.
func (f localOut) ReadFrom(r io.Reader) (int64, error) {
	from, ok := r.(io.WriterTo)
	if !ok {
		return copyBatches(writeOnly{f}, r)
	}
	to, ok := f.out.(io.ReaderFrom)
	if !ok {
		return from.WriteTo(writeOnly{f})
	}
	if err := f.usable(); err != nil {
		return 0, err
	}
	n, err := to.ReadFrom(r)
	var own *Error // of the handler, which has read
	switch {
	case err != nil && f.ctx.Err() != nil:
		err = f.fail(f.ctx.Err())
	case err != nil && !errors.As(err, &own):
		err = f.fail(err)
	}
	return n, err
}

var batches = sync.Pool{New: func() any { return new([BatchSize]byte) }}

// copyBatches copies with a buffer of BatchSize. It hides what w and r can do besides,
// so that io.Copy uses the buffer.
func copyBatches(w io.Writer, r io.Reader) (int64, error) {
	buf := batches.Get().(*[BatchSize]byte)
	defer batches.Put(buf)
	return io.CopyBuffer(writeOnly{w}, readOnly{r}, buf[:])
}
