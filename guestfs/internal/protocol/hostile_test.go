package protocol

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot/guestfs/internal/xdr"
)

// scripted is a connection of which one side is known beforehand.
type scripted struct {
	io.Reader
	written bytes.Buffer
}

func (s *scripted) Write(p []byte) (int, error) { return s.written.Write(p) }
func (s *scripted) Close() error                { return nil }

func message(body ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func callMessage(t testing.TB, proc uint32, args func(*xdr.Codec)) []byte {
	h := Header{Proc: proc, Serial: FirstSerial}
	b, err := appendMessage(nil, &h, args)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileLibrary(t *testing.T) {
	upload := callMessage(t, procUpload, nil)
	badHeader := func(at int, b byte) []byte {
		m := callMessage(t, procEcho, nil)
		m[4+at] = b
		return m
	}
	chunk := func(b ...byte) []byte { return append(bytes.Clone(upload), message(b...)...) }
	for name, in := range map[string][]byte{
		"huge message":         {0, 64, 0, 1},
		"negative length":      {0x80, 0, 0, 0},
		"launch word":          {0xf5, 0xf5, 0x5f, 0xf5},
		"progress":             append([]byte{0xff, 0xff, 0x55, 0x55}, make([]byte, progressSize)...),
		"short header":         message(1, 2, 3),
		"empty message":        message(),
		"wrong program":        badHeader(3, 0),
		"wrong version":        badHeader(7, 5),
		"a reply":              badHeader(15, 1),
		"status":               badHeader(39, 7),
		"chunk flag":           chunk(0, 0, 0, 2, 0, 0, 0, 0),
		"chunk length":         chunk(0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4),
		"huge chunk length":    chunk(0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff),
		"chunk too short":      chunk(0, 0, 0),
		"chunk of 1 MiB":       chunk(make([]byte, 1<<20)...),
		"second call in chunk": append(bytes.Clone(upload), upload...),
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{Reader: bytes.NewReader(in)}
			err := (&Server{Handler: &testDaemon{t: t}}).Serve(context.Background(), s)
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("Serve: %v", err)
			}
		})
	}
}

func TestDeathOfLibrary(t *testing.T) {
	whole := callMessage(t, procEcho, func(c *xdr.Codec) { s := "x"; c.String(&s) })
	upload := append(callMessage(t, procUpload, nil), appendChunk(nil, []byte("data"), false)...)
	for name, in := range map[string][]byte{
		"in a length":  whole[:2],
		"in a message": whole[:20],
		"in a file":    upload,
		"in a chunk":   upload[:len(upload)-2],
	} {
		s := &scripted{Reader: bytes.NewReader(in)}
		err := (&Server{Handler: &testDaemon{t: t}}).Serve(context.Background(), s)
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// waiter waits for its context.
type waiter struct{ entered chan bool }

func (waiter) Transfer(uint32) Transfer { return NoFile }
func (w waiter) Handle(ctx context.Context, c *Call) error {
	w.entered <- true
	<-ctx.Done()
	return ctx.Err()
}

func TestCallEndsWithConnection(t *testing.T) {
	near, far := net.Pipe()
	w := waiter{make(chan bool)}
	done := make(chan error)
	go func() { done <- (&Server{Handler: w}).Serve(context.Background(), far) }()
	go near.Write(callMessage(t, 1, nil))
	<-w.entered
	near.Close()
	if err := <-done; err == nil {
		t.Error("the reply was sent to nobody")
	}
}

func TestCallEndsWithContext(t *testing.T) {
	near, far := net.Pipe()
	w := waiter{make(chan bool)}
	done := make(chan error)
	ctx, cancel := context.WithCancelCause(context.Background())
	answer := make(chan []byte)
	go func() { done <- (&Server{Handler: w}).Serve(ctx, far) }()
	near.Write(callMessage(t, 1, nil))
	go func() {
		b, _ := io.ReadAll(near)
		answer <- b
	}()
	<-w.entered
	stop := errors.New("stop")
	cancel(stop)
	if err := <-done; !errors.Is(err, stop) || !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
	if b := <-answer; len(b) > 0 {
		t.Errorf("an answer of %d bytes", len(b))
	}
	near.Close()
}

func TestHostileDaemon(t *testing.T) {
	reply := func(h Header, code func(*xdr.Codec)) []byte {
		h.reply = true
		b, err := appendMessage(nil, &h, code)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := Header{Proc: procEcho, Serial: FirstSerial}
	failed := good
	failed.failed = true
	long := func(c *xdr.Codec) {
		e := &Error{Name: strings.Repeat("E", ErrnoMax+1)}
		e.Code(c)
	}
	for name, in := range map[string][]byte{
		"wrong serial": reply(Header{Proc: procEcho, Serial: 1}, nil),
		"wrong proc":   reply(Header{Proc: procFail, Serial: FirstSerial}, nil),
		"short result": reply(good, nil),
		"long result":  reply(good, func(c *xdr.Codec) { s := "x"; c.String(&s); c.String(&s) }),
		"errno":        reply(failed, long),
		"nothing":      nil,
		"a call":       callMessage(t, procEcho, nil),
		"huge":         {0xff, 0xff, 0xff, 0xff},
	} {
		c := NewClient(&scripted{Reader: bytes.NewReader(in)})
		_, err := echo(c, "x")
		var wire *Error
		if err == nil || errors.As(err, &wire) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := echo(c, "x"); again == nil {
			t.Errorf("%s: the connection was used again", name)
		}
	}
}

func TestProgress(t *testing.T) {
	s := &scripted{Reader: bytes.NewReader(nil)}
	p := progress{}
	p.begin(newConn(s).writeProgress, Header{Proc: 7, Serial: 8})
	p.report(1, 10)
	if s.written.Len() != 0 {
		t.Error("progress in the first second")
	}
	p.due = time.Now().Add(-time.Second)
	p.report(2, 10)
	p.report(3, 10) // too early
	p.finish(true)
	p.report(4, 10) // too late
	want := "ffff5555" + "00000007" + "00000008" + "0000000000000002" + "000000000000000a" +
		"ffff5555" + "00000007" + "00000008" + "000000000000000a" + "000000000000000a"
	if got := hex.EncodeToString(s.written.Bytes()); got != want {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func FuzzServe(f *testing.F) {
	f.Add(callMessage(f, procEcho, func(c *xdr.Codec) { s := "x"; c.String(&s) }))
	f.Add(append(callMessage(f, procUpload, nil), appendChunk(appendChunk(nil, []byte("data"), false), nil, false)...))
	f.Add(append(callMessage(f, procUploadFail, nil), appendChunk(appendChunk(nil, []byte("data"), false), nil, true)...))
	f.Add(binary.BigEndian.AppendUint32(callMessage(f, procDownload, number(100)), CancelWord))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := &limited{testDaemon{t: t}}
		(&Server{Handler: d}).Serve(context.Background(), &scripted{Reader: bytes.NewReader(in)})
	})
}

// limited keeps downloads short.
type limited struct{ testDaemon }

func (d *limited) Handle(ctx context.Context, c *Call) error {
	if d.Transfer(c.Proc) == FileOut && len(c.Args) == 8 {
		clear(c.Args[:5])
	}
	if c.Proc == procEcho && len(c.Args) < 4 {
		return io.EOF
	}
	return d.testDaemon.Handle(ctx, c)
}
