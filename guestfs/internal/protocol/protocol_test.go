package protocol

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/xdr"
	"golang.org/x/sys/unix"
)

// Procedures of the test's daemon.
const (
	procEcho = iota + 1
	procFail
	procUpload     // returns the size of the file
	procUploadFail // after args bytes
	procUploadStop // reads nothing, without an error
	procDownload   // args bytes
	procDownloadFail
	procUnknownIn
	procPanic
)

type testDaemon struct {
	t       *testing.T
	uploads bytes.Buffer
	outErr  error // of the last download's writes
}

func (d *testDaemon) Transfer(proc uint32) Transfer {
	switch proc {
	case procUpload, procUploadFail, procUploadStop, procUnknownIn:
		return FileIn
	case procDownload, procDownloadFail:
		return FileOut
	}
	return NoFile
}

func (d *testDaemon) Handle(ctx context.Context, c *Call) error {
	var n int64
	if len(c.Args) > 0 && c.Proc != procEcho {
		in := xdr.NewDecoder(c.Args)
		in.Int64(&n)
		if err := in.End(); err != nil {
			return err
		}
	}
	switch c.Proc {
	case procEcho:
		s := string(c.Args[4:])
		c.Return(func(x *xdr.Codec) { x.String(&s) })
		return nil
	case procFail:
		return &os.PathError{Op: "touch", Path: "/x", Err: unix.ENOENT}
	case procUpload:
		d.uploads.Reset()
		n, err := io.Copy(&d.uploads, c.In())
		c.Return(func(x *xdr.Codec) { x.Int64(&n) })
		return err
	case procUploadFail:
		io.CopyN(io.Discard, c.In(), n)
		return fmt.Errorf("upload: %w", unix.ENOSPC)
	case procUploadStop:
		return nil
	case procDownload, procDownloadFail:
		_, err := io.CopyN(c.Out(), endless{}, n)
		d.outErr = err
		if err == nil && c.Proc == procDownloadFail {
			err = unix.EIO
		}
		return err
	case procPanic:
		panic("surprise")
	}
	return &Error{"ENOTSUP", "not here"}
}

// endless gives bytes that depend on nothing but that there are many.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// session serves a daemon over a pipe and over a socket pair.
func session(t *testing.T, f func(t *testing.T, d *testDaemon, c *Client)) {
	for _, kind := range []string{"pipe", "socket"} {
		t.Run(kind, func(t *testing.T) {
			near, far := connPair(t, kind)
			d := &testDaemon{t: t}
			done := make(chan error, 1)
			go func() {
				err := Launched(far)
				if err == nil {
					err = (&Server{Handler: d}).Serve(context.Background(), far)
				}
				done <- err
			}()
			c := NewClient(near)
			if err := c.WaitLaunch(context.Background()); err != nil {
				t.Fatal(err)
			}
			f(t, d, c)
			// Whatever happened, the connection is still in order.
			if got, err := echo(c, "still here"); got != "still here" || err != nil {
				t.Errorf("afterwards echo = %q, %v", got, err)
			}
			c.Close()
			if err := <-done; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
}

func connPair(t *testing.T, kind string) (a, b net.Conn) {
	if kind == "pipe" {
		return net.Pipe()
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return conns[0], conns[1]
}

func echo(c *Client, s string) (got string, err error) {
	err = c.Call(context.Background(), &Request{
		Proc:   procEcho,
		Args:   func(x *xdr.Codec) { x.String(&s) },
		Result: func(x *xdr.Codec) { x.String(&got) },
	})
	return got, err
}

func number(n int64) func(*xdr.Codec) { return func(x *xdr.Codec) { x.Int64(&n) } }

func TestErrors(t *testing.T) {
	session(t, func(t *testing.T, d *testDaemon, c *Client) {
		err := c.Call(context.Background(), &Request{Proc: procFail})
		var e *Error
		if !errors.As(err, &e) || e.Name != "ENOENT" || !errors.Is(err, fs.ErrNotExist) || e.Message != "touch /x: no such file or directory" {
			t.Errorf("error is %#v", err)
		}
		if err := c.Call(context.Background(), &Request{Proc: 99}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("unknown procedure: %v", err)
		}
		if err := c.Call(context.Background(), &Request{Proc: procPanic}); err == nil || err.Error() != "internal error: surprise" {
			t.Errorf("panic: %v", err)
		}
		if err := c.Call(context.Background(), &Request{Proc: procUpload, Args: func(x *xdr.Codec) { x.String(new(string)) }, In: endless{}}); !errors.As(err, &e) {
			t.Errorf("arguments that are none: %v", err)
		}
	})
}

func TestTransfers(t *testing.T) {
	for _, size := range []int{0, 1, 3, ChunkMax - 1, ChunkMax, ChunkMax + 1, BatchSize, BatchSize + 1, 3<<20 + 7} {
		session(t, func(t *testing.T, d *testDaemon, c *Client) {
			data := make([]byte, size)
			rand.NewChaCha8([32]byte{}).Read(data)
			var n int64
			err := c.Call(context.Background(), &Request{Proc: procUpload, In: bytes.NewReader(data), Result: func(x *xdr.Codec) { x.Int64(&n) }})
			if err != nil || n != int64(size) || !bytes.Equal(d.uploads.Bytes(), data) {
				t.Errorf("upload of %d: %d, %v", size, n, err)
			}
			var out bytes.Buffer
			err = c.Call(context.Background(), &Request{Proc: procDownload, Args: number(int64(size)), Out: &out})
			if err != nil || out.Len() != size {
				t.Errorf("download of %d: %d, %v", size, out.Len(), err)
			}
		})
	}
}

func TestUploadRefused(t *testing.T) {
	for _, after := range []int64{0, 1, 100000, 5 << 20} {
		session(t, func(t *testing.T, d *testDaemon, c *Client) {
			err := c.Call(context.Background(), &Request{Proc: procUploadFail, Args: number(after), In: io.LimitReader(endless{}, 64<<20)})
			if !errors.Is(err, unix.ENOSPC) {
				t.Errorf("after %d: %v", after, err)
			}
			// The end of the file and CANCEL cross.
			err = c.Call(context.Background(), &Request{Proc: procUploadFail, Args: number(after), In: bytes.NewReader(nil)})
			if !errors.Is(err, unix.ENOSPC) {
				t.Errorf("empty, after %d: %v", after, err)
			}
		})
	}
}

func TestUploadOfUnknownProcedure(t *testing.T) {
	session(t, func(t *testing.T, d *testDaemon, c *Client) {
		err := c.Call(context.Background(), &Request{Proc: procUnknownIn, In: io.LimitReader(endless{}, 10<<20)})
		if !errors.Is(err, unix.ENOTSUP) {
			t.Error(err)
		}
	})
}

func TestUploadNotRead(t *testing.T) {
	session(t, func(t *testing.T, d *testDaemon, c *Client) {
		if err := c.Call(context.Background(), &Request{Proc: procUploadStop, In: io.LimitReader(endless{}, 3<<20)}); err != nil {
			t.Error(err)
		}
		broken := io.MultiReader(io.LimitReader(endless{}, 1<<20), errReader{})
		if err := c.Call(context.Background(), &Request{Proc: procUploadStop, In: broken}); !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}

var errBroken = errors.New("broken")

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errBroken }

func TestUploadCancelled(t *testing.T) {
	session(t, func(t *testing.T, d *testDaemon, c *Client) {
		in := io.MultiReader(io.LimitReader(endless{}, 1<<20), errReader{})
		if err := c.Call(context.Background(), &Request{Proc: procUpload, In: in}); !errors.Is(err, errBroken) {
			t.Errorf("broken file: %v", err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		in = io.MultiReader(io.LimitReader(endless{}, 1<<20), cancelReader{cancel})
		if err := c.Call(ctx, &Request{Proc: procUpload, In: in}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

type cancelReader struct{ cancel func() }

func (r cancelReader) Read(p []byte) (int, error) {
	r.cancel()
	return len(p), nil
}

func TestDownloadFails(t *testing.T) {
	session(t, func(t *testing.T, d *testDaemon, c *Client) {
		var out bytes.Buffer
		err := c.Call(context.Background(), &Request{Proc: procDownloadFail, Args: number(1000), Out: &out})
		if !errors.Is(err, unix.EIO) || out.Len() != 0 {
			t.Errorf("early: %v, %d bytes", err, out.Len())
		}
		err = c.Call(context.Background(), &Request{Proc: procDownloadFail, Args: number(1 << 20), Out: &out})
		if err != ErrCancelled {
			t.Errorf("late: %v", err)
		}
	})
}

// limitWriter fails after n bytes.
type limitWriter struct{ n int }

func (w *limitWriter) Write(p []byte) (int, error) {
	if w.n -= len(p); w.n < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestDownloadCancelled(t *testing.T) {
	session(t, func(t *testing.T, d *testDaemon, c *Client) {
		err := c.Call(context.Background(), &Request{Proc: procDownload, Args: number(1 << 40), Out: &limitWriter{1 << 20}})
		if !errors.Is(err, errBroken) || !errors.Is(d.outErr, ErrCancelled) {
			t.Errorf("client: %v, daemon: %v", err, d.outErr)
		}
		// Cancelled when all was sent: CANCEL comes between the calls.
		err = c.Call(context.Background(), &Request{Proc: procDownload, Args: number(10), Out: &limitWriter{1}})
		if !errors.Is(err, errBroken) {
			t.Error(err)
		}
	})
}

func TestStrayCancel(t *testing.T) {
	session(t, func(t *testing.T, d *testDaemon, c *Client) {
		for range 3 {
			if err := c.conn.writeWord(CancelWord); err != nil {
				t.Fatal(err)
			}
		}
		var out bytes.Buffer
		if err := c.Call(context.Background(), &Request{Proc: procDownload, Args: number(1 << 20), Out: &out}); err != nil || out.Len() != 1<<20 {
			t.Errorf("%v, %d bytes", err, out.Len())
		}
	})
}
