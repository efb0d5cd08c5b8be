package nbd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A relay is between a client and a server, and cuts connections.
type relay struct {
	net.Listener
	mu    sync.Mutex
	limit func() int64 // guarded by mu: after how many bytes of the server; 0 for never
	conns map[net.Conn]bool
	made  int
}

func newRelay(t testing.TB, server *Address, limit func() int64) (*relay, *Address) {
	t.Helper()
	path := socketDir(t) + "/relay"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, limit: limit, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { l.Close(); r.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial(server.Network, server.Host)
			if err != nil {
				c.Close()
				continue
			}
			r.mu.Lock()
			r.made++
			r.conns[c], r.conns[s] = true, true
			most := r.limit()
			r.mu.Unlock()
			go func() { io.Copy(s, c); s.Close() }()
			go func() {
				if most > 0 {
					io.CopyN(c, s, most)
				} else {
					io.Copy(c, s)
				}
				c.Close()
				s.Close()
			}()
		}
	}()
	return r, &Address{Network: "unix", Host: path, Export: server.Export}
}

// cut ends all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		c.Close()
	}
	clear(r.conns)
}

// Connections that are cut at any byte lose nothing.
func TestCut(t *testing.T) {
	m := newMemory(2 << 20)
	r := rand.New(rand.NewPCG(6, 6))
	relay, a := newRelay(t, serve(t, &Server{Shares: []Share{{Device: m, Writable: true}}, Log: func(string, error) {}}),
		func() int64 { return 1 + r.Int64N(2<<20) })
	var d *Device
	for d == nil { // opening is tried only once
		d, _ = Dial(context.Background(), a, Options{Writable: true})
	}
	defer d.Close()
	want := make([]byte, 2<<20)
	program(t, d, want, 6, 300)
	if err := d.Flush(); err != nil || !bytes.Equal(m.content(), want) {
		t.Errorf("other bytes, %v", err)
	}
	if relay.made < 10 {
		t.Errorf("only %d connections", relay.made)
	}
}

// A server that loses what was not flushed is told it again.
func TestCrash(t *testing.T) {
	m := newMemory(1 << 20)
	dir := socketDir(t)
	quiet := func(string, error) {}
	s := &Server{Shares: []Share{{Device: m, Writable: true}}, Log: quiet}
	stop := serveAt(t, s, dir+"/s")
	d := open(t, &Address{Network: "unix", Host: dir + "/s"}, Options{Writable: true})
	want := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 20 {
		for range 10 {
			off := r.IntN(1<<20 - 5000)
			p := bytes.Repeat([]byte{byte(i + 1)}, 1+r.IntN(5000))
			copy(want[off:], p)
			if _, err := d.WriteAt(p, int64(off)); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.WriteZeroes(int64(i*100), 50); err != nil {
			t.Fatal(err)
		}
		clear(want[i*100 : i*100+50])
		if i%3 == 0 {
			if err := d.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		m.die()
		stop()
		m.crash()
		stop = serveAt(t, s, dir+"/s")
	}
	if err := d.Flush(); err != nil {
		t.Fatal(err)
	}
	m.crash()
	if !bytes.Equal(m.content(), want) {
		t.Error("what was flushed is not there")
	}
	if d.unflushed.Any() {
		t.Error("changes are kept that were flushed")
	}
}

// What comes back as something else is an error, and not other bytes.
func TestChanged(t *testing.T) {
	dir := socketDir(t)
	quiet := func(string, error) {}
	stop := serveAt(t, &Server{Shares: []Share{{Device: newMemory(1 << 20)}}, Log: quiet}, dir+"/s")
	d := open(t, &Address{Network: "unix", Host: dir + "/s"}, Options{})
	stop()
	serveAt(t, &Server{Shares: []Share{{Device: newMemory(2 << 20)}}, Log: quiet}, dir+"/s")
	for range 2 {
		if _, err := d.ReadAt(make([]byte, 512), 0); !errors.Is(err, ErrChanged) {
			t.Error(err)
		}
	}
}

// A server that does not come back is an error, once the patience is over.
func TestGone(t *testing.T) {
	dir := socketDir(t)
	stop := serveAt(t, &Server{Shares: []Share{{Device: newMemory(1 << 20), Writable: true}}}, dir+"/s")
	d := open(t, &Address{Network: "unix", Host: dir + "/s"}, Options{Patience: 300 * time.Millisecond, Writable: true})
	if _, err := d.WriteAt([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	stop()
	for range 20 {
		if _, err := d.ReadAt(make([]byte, 512), 0); !errors.Is(err, ErrLost) {
			t.Error(err)
		}
	}
	if err := d.Close(); !errors.Is(err, ErrLost) {
		t.Errorf("closed with what was not flushed: %v", err)
	}
}

// Close does not wait for a server that is gone as long as a read does, and says what may be
// lost.
func TestCloseGone(t *testing.T) {
	t.Parallel()
	dir := socketDir(t)
	stop := serveAt(t, &Server{Shares: []Share{{Device: newMemory(1 << 20), Writable: true}}}, dir+"/s")
	d, err := Dial(context.Background(), &Address{Network: "unix", Host: dir + "/s"}, Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, off := range []int64{5000, 100000} {
		if _, err := d.WriteAt(make([]byte, 1000), off); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	var wait sync.WaitGroup
	wait.Go(func() { d.ReadAt(make([]byte, 1000), 0) }) // which has a minute, unless it is closed
	time.Sleep(50 * time.Millisecond)
	start := time.Now()
	err = d.Close()
	if !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "2000 bytes between 5000 and 101000") {
		t.Error(err)
	}
	if wait.Wait(); time.Since(start) > DefaultPatience/2 {
		t.Errorf("after %v", time.Since(start))
	}
}

// silent is a server that greets and then says nothing, or what it is told to.
func silent(t *testing.T, answers func(c net.Conn)) *Address {
	t.Helper()
	path := socketDir(t) + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &Server{Shares: []Share{{Device: newMemory(1 << 20), Writable: true}}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				h := &host{Conn: c, server: s, r: newSession(c).r}
				if share, err := h.haggle(context.Background()); share != nil && err == nil {
					answers(c)
				}
			}()
		}
	}()
	return &Address{Network: "unix", Host: path}
}

// A server that never answers, or a byte at a time, keeps nobody.
func TestStall(t *testing.T) {
	for name, answers := range map[string]func(net.Conn){
		"silent": func(c net.Conn) { io.Copy(io.Discard, c) },
		"a byte at a time": func(c net.Conn) {
			c.Write(be.AppendUint32(nil, magicStructured))
			for {
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, silent(t, answers), Options{Stall: 100 * time.Millisecond, Patience: 300 * time.Millisecond})
			if _, err := d.ReadAt(make([]byte, 4096), 0); !errors.Is(err, ErrLost) {
				t.Error(err)
			}
		})
	}
}

// The end of the context is the end of everything, and its cause is the error.
func TestContext(t *testing.T) {
	pulled := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(context.Background())
	d, err := Dial(ctx, silent(t, func(c net.Conn) { io.Copy(io.Discard, c) }), Options{Writable: true})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for i := range 40 {
		wait.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = d.ReadAt(make([]byte, 4096), 0)
			} else {
				_, err = d.WriteAt(make([]byte, 4096), 0)
			}
			if !errors.Is(err, pulled) {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	cancel(pulled)
	wait.Wait()
	if err := d.Flush(); !errors.Is(err, pulled) {
		t.Error(err)
	}
	d.Close()

	// While it connects.
	path := socketDir(t) + "/s"
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel = context.WithCancelCause(context.Background())
	time.AfterFunc(20*time.Millisecond, func() { cancel(pulled) })
	if _, err := Dial(ctx, &Address{Network: "unix", Host: path}, Options{}); !errors.Is(err, pulled) {
		t.Error(err)
	}
}

// What is not a server of NBD, or not one that we understand.
func TestNotNBD(t *testing.T) {
	for name, c := range map[string]struct {
		says string
		want string
	}{
		"nothing":  {"", "EOF"},
		"HTTP":     {"HTTP/1.1 400 Bad Request\r\n\r\n", "not the NBD protocol"},
		"oldstyle": {"NBDMAGIC\x00\x00\x42\x02\x81\x86\x12\x53" + strings.Repeat("\x00", 136), "old style"},
		"cut":      {"NBDMAGICIHAVEOPT", "EOF"},
		"reply":    {"NBDMAGICIHAVEOPT\x00\x03" + strings.Repeat("x", 20), "a reply to an option"},
	} {
		path := socketDir(t) + "/s"
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if conn, err := l.Accept(); err == nil {
				conn.Write([]byte(c.says))
				conn.(*net.UnixConn).CloseWrite()
				io.Copy(io.Discard, conn)
			}
		}()
		_, err = Dial(context.Background(), &Address{Network: "unix", Host: path}, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		l.Close()
	}
}
