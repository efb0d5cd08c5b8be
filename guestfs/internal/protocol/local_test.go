package protocol

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// localHandler takes files that come in at 1, gives files at 2, and returns a string else.
type localHandler struct {
	handle func(ctx context.Context, c *Call) error
}

func (localHandler) Transfer(proc uint32) Transfer { return Transfer(proc) }

func (h localHandler) Handle(ctx context.Context, c *Call) error { return h.handle(ctx, c) }

func newLocal(f func(ctx context.Context, c *Call) error) *Local {
	return NewLocal(&Server{Handler: localHandler{f}})
}

func TestLocalCall(t *testing.T) {
	l := newLocal(func(ctx context.Context, c *Call) error {
		var s string
		d := xdr.NewDecoder(c.Args)
		d.String(&s)
		switch s {
		case "error":
			return unix.ENOENT
		case "panic":
			panic("odd")
		case "large":
			s = strings.Repeat("x", MessageMax)
		}
		s += "!"
		c.Return(func(x *xdr.Codec) { x.String(&s) })
		return d.End()
	})
	call := func(in string) (out string, err error) {
		err = l.Call(context.Background(), &Request{
			Args: func(x *xdr.Codec) { x.String(&in) }, Result: func(x *xdr.Codec) { x.String(&out) },
		})
		return out, err
	}
	if s, err := call("a"); s != "a!" || err != nil {
		t.Error(s, err)
	}
	for _, in := range []string{"error", "panic", "large"} {
		var wire *Error
		if _, err := call(in); !errors.As(err, &wire) || in == "error" && !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := call(strings.Repeat("x", MessageMax)); err == nil {
		t.Error("arguments without end")
	}
	if err := l.Call(context.Background(), &Request{Args: func(x *xdr.Codec) { x.String(new(string)) }, Result: func(*xdr.Codec) {}}); !errors.Is(err, ErrProtocol) {
		t.Errorf("a result that nobody reads: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Call(ctx, &Request{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	l.Close()
	if _, err := call("a"); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// failing fails after some bytes.
type failing struct{ n int }

var errLocal = errors.New("broken")

func (b *failing) Read(p []byte) (int, error) {
	if b.n -= len(p); b.n < 0 {
		return 0, errLocal
	}
	return len(p), nil
}

func (b *failing) Write(p []byte) (int, error) { return b.Read(p) }

func TestLocalFiles(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	in := func(r io.Reader, f func(ctx context.Context, c *Call) error) error {
		return newLocal(f).Call(context.Background(), &Request{Proc: uint32(FileIn), In: r})
	}
	out := func(w io.Writer, f func(ctx context.Context, c *Call) error) error {
		return newLocal(f).Call(context.Background(), &Request{Proc: uint32(FileOut), Out: w})
	}
	var got bytes.Buffer
	err := in(bytes.NewReader(data), func(_ context.Context, c *Call) error {
		_, err := io.Copy(&got, c.In())
		return err
	})
	if err != nil || !bytes.Equal(got.Bytes(), data) {
		t.Errorf("in: %d bytes, %v", got.Len(), err)
	}
	got.Reset()
	err = out(&got, func(_ context.Context, c *Call) error {
		_, err := io.Copy(c.Out(), bytes.NewReader(data))
		return err
	})
	if err != nil || !bytes.Equal(got.Bytes(), data) {
		t.Errorf("out: %d bytes, %v", got.Len(), err)
	}
	// The side that breaks the protocol is the one that gets the error.
	err = in(&failing{1000}, func(ctx context.Context, c *Call) error {
		_, err := io.Copy(io.Discard, c.In())
		if err != ErrCancelled {
			t.Errorf("handler: %v", err)
		}
		return err
	})
	if err != errLocal {
		t.Errorf("in: %v", err)
	}
	err = out(&failing{1000}, func(ctx context.Context, c *Call) error {
		_, err := io.Copy(c.Out(), bytes.NewReader(data))
		if err != ErrCancelled || ctx.Err() == nil {
			t.Errorf("handler: %v, %v", err, ctx.Err())
		}
		return nil
	})
	if err != errLocal {
		t.Errorf("out: %v", err)
	}
	// An error after the begin of a file keeps its errno, in contrast to a connection.
	err = out(io.Discard, func(_ context.Context, c *Call) error {
		c.Out().Write(data)
		return unix.EIO
	})
	if !errors.Is(err, unix.EIO) {
		t.Errorf("out: %v", err)
	}
	// The ends are of no use after the call.
	var late *Call
	if err = out(io.Discard, func(_ context.Context, c *Call) error { late = c; return nil }); err != nil {
		t.Error(err)
	}
	if _, err := late.Out().Write(data); err != ErrCancelled {
		t.Errorf("late write: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = newLocal(func(ctx context.Context, c *Call) error {
		cancel()
		_, err := c.Out().Write(data)
		return err
	}).Call(ctx, &Request{Proc: uint32(FileOut), Out: io.Discard})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// endToEnd is an end of a file that can do more than give and take memory.
type endToEnd struct {
	bytes.Buffer
	direct int
	err    error
}

func (e *endToEnd) ReadFrom(r io.Reader) (int64, error) {
	if e.err != nil {
		return 0, e.err
	}
	n, err := r.(io.WriterTo).WriteTo(&e.Buffer)
	e.direct += int(n)
	return n, err
}

// source has data, and then an error.
type source struct {
	io.Reader
	data []byte
	err  error
}

func (s source) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(s.data)
	return int64(n), errors.Join(err, s.err)
}

// Where both ends of a file can, they move the data among themselves; an error belongs to
// the one that had it.
func TestLocalEndToEnd(t *testing.T) {
	data := []byte("0123456789")
	run := func(w io.Writer, s source) (seen, err error) {
		err = newLocal(func(_ context.Context, c *Call) error {
			_, seen = c.Out().(io.ReaderFrom).ReadFrom(s)
			return seen
		}).Call(context.Background(), &Request{Proc: uint32(FileOut), Out: w})
		return seen, err
	}
	w := &endToEnd{}
	if _, err := run(w, source{data: data}); err != nil || w.direct != len(data) {
		t.Errorf("%d bytes went directly, %v", w.direct, err)
	}
	var plain bytes.Buffer
	if _, err := run(struct{ io.Writer }{&plain}, source{data: data}); err != nil || plain.String() != string(data) {
		t.Errorf("to a plain writer: %q, %v", plain.String(), err)
	}
	if _, err := run(nil, source{data: data}); err != nil {
		t.Errorf("to nothing: %v", err)
	}
	if seen, err := run(&endToEnd{err: errLocal}, source{data: data}); seen != ErrCancelled || err != errLocal {
		t.Errorf("the caller's end fails: the handler sees %v, the caller %v", seen, err)
	}
	own := &Error{Name: "EIO", Message: "read: /file"}
	if seen, err := run(&endToEnd{}, source{data: data, err: own}); !errors.Is(seen, unix.EIO) || !errors.Is(err, unix.EIO) {
		t.Errorf("the handler's end fails: the handler sees %v, the caller %v", seen, err)
	}
}
