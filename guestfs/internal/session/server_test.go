package session

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/server"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// deadline is when a server hangs that has lost its library.
const deadline = 15 * time.Second

// subject is a server with an image, to which one library connects after the other.
type subject struct {
	t testing.TB
	s *server.Server
}

// big is the size of the file /big in the image, in bytes.
const big = 48 << 20

func newSubject(t testing.TB) *subject {
	t.Helper()
	img := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 64 << 20}))
	s, err := server.New(server.Config{
		Drives: []server.Drive{{Path: img, Format: "raw"}},
		Log: func(line string) {
			if strings.HasPrefix(line, "panic:") {
				t.Error(line)
			}
		},
	})
	rig.Check(t, "server", err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	sub := &subject{t: t, s: s}
	sub.prepare()
	return sub
}

// prepare mounts and makes what transfers read. Whatever the library before has done is
// undone, so that a file that is still open shows.
func (s *subject) prepare() {
	s.t.Helper()
	s.client(func(c *protocol.Client) {
		s.call(c, rpc.ProcUmountAll, &rpc.None{})
		s.call(c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
		s.call(c, rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: "/dir/sub"})
		s.call(c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/dir/sub/keep"})
		s.call(c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/big"})
		s.call(c, rpc.ProcTruncateSize, &rpc.TruncateSizeArgs{Path: "/big", Size: big})
	})
}

func (s *subject) call(c *protocol.Client, proc uint32, a rpc.Args) {
	s.t.Helper()
	if err := c.Call(context.Background(), &protocol.Request{Proc: proc, Args: rpc.Encoder(a), OptArgs: rpc.Given(a)}); err != nil {
		s.t.Errorf("%s: %v", rpc.Lookup(proc).Name, err)
	}
}

// client connects a good library.
func (s *subject) client(f func(c *protocol.Client)) {
	s.t.Helper()
	err := s.connect(func(conn *net.UnixConn) {
		c := protocol.NewClient(conn)
		f(c)
		c.Close()
	})
	if err != nil {
		s.t.Errorf("Serve, with a good library: %v", err)
	}
}

// connect connects any library, which f is, and returns what Serve does when it is gone.
func (s *subject) connect(f func(conn *net.UnixConn)) error {
	s.t.Helper()
	near, far := socketPair(s.t)
	done := make(chan error, 1)
	go func() { done <- s.s.Serve(context.Background(), far) }()
	f(near)
	near.Close()
	select {
	case err := <-done:
		return err
	case <-time.After(deadline):
		var stacks strings.Builder
		pprof.Lookup("goroutine").WriteTo(&stacks, 1)
		s.t.Fatalf("the server hangs\n%s", &stacks)
		return nil
	}
}

func socketPair(t testing.TB) (near, far *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	rig.Check(t, "socketpair", err)
	conns := [2]*net.UnixConn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		rig.Check(t, "socket", err)
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// message returns a call with encoded arguments, and its length.
func message(proc uint32, given uint64, args []byte) []byte {
	h := protocol.Header{Proc: proc, Serial: protocol.FirstSerial, OptArgs: given}
	e := xdr.NewEncoder(make([]byte, 4))
	h.Code(e)
	b, err := e.Result()
	if err != nil {
		panic(err)
	}
	b = append(b, args...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// encode returns the encoding of arguments.
func encode(a rpc.Args) []byte {
	e := xdr.NewEncoder(nil)
	rpc.Encoder(a)(e)
	b, err := e.Result()
	if err != nil {
		panic(err)
	}
	return b
}

func callOf(proc uint32, a rpc.Args) []byte { return message(proc, rpc.Given(a), encode(a)) }

// chunk returns a chunk of a file. Without data it ends it.
func chunk(cancel uint32, data []byte) []byte {
	b := words(uint32(8+(len(data)+3)&^3), cancel, uint32(len(data)))
	return append(append(b, data...), make([]byte, -len(data)&3)...)
}

func words(list ...uint32) (b []byte) {
	for _, w := range list {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	return b
}

// join puts byte strings together.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
