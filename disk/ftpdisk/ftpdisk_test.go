package ftpdisk

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
)

// A server is a small one of FTP, with one file.
type server struct {
	l   net.Listener
	tls *tls.Config // of what is wrapped

	mu     sync.Mutex
	b      []byte // guarded by mu
	mtime  string // guarded by mu
	silent bool   // guarded by mu
	budget int    // guarded by mu: bytes of a transfer after which it is cut, 0 for all
	logins int    // guarded by mu
	conns  []net.Conn
}

const secret = "s3cr3t"

func start(t *testing.T, b []byte) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{l: l, b: b, mtime: "20200101000000"}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("NETRC", "")
	t.Cleanup(func() { l.Close(); s.cut() })
	go s.accept(l)
	return s
}

func (s *server) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go s.serve(c)
	}
}

func (s *server) set(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

func (s *server) cut() {
	s.set(func() {
		for _, c := range s.conns {
			c.Close()
		}
		s.conns = nil
	})
}

func (s *server) url(scheme string, user *url.Userinfo) *url.URL {
	return &url.URL{Scheme: scheme, User: user, Host: s.l.Addr().String(), Path: "/dir/disk.img"}
}

func (s *server) serve(raw net.Conn) {
	s.set(func() { s.conns = append(s.conns, raw) })
	defer raw.Close()
	c, data := raw, net.Listener(nil)
	r := bufio.NewReader(c)
	say := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 hello")
	rest, user := 0, ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		var b []byte
		var mtime string
		var silent bool
		var budget int
		s.set(func() { b, mtime, silent, budget = s.b, s.mtime, s.silent, s.budget })
		if silent {
			continue
		}
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "AUTH":
			say("234 go on")
			c = tls.Server(raw, s.tls)
			r = bufio.NewReader(c)
		case "USER":
			user = arg
			say("331 password")
		case "PASS":
			if user == "me" && arg != secret {
				say("530 not with %s", "that")
				return
			}
			s.set(func() { s.logins++ })
			say("230 come in")
		case "FEAT":
			say("211-features\r\n MDTM\r\n REST STREAM\r\n SIZE\r\n211 end")
		case "EPSV":
			if data, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				return
			}
			say("229 entering (|||%d|)", data.Addr().(*net.TCPAddr).Port)
		case "SIZE", "MDTM", "RETR":
			switch {
			case arg != "dir/disk.img":
				say("550 no such file")
			case verb == "SIZE":
				say("213 %d", len(b))
			case verb == "MDTM":
				say("213 %s", mtime)
			default:
				say("150 here")
				d, err := data.Accept()
				data.Close()
				if err != nil {
					return
				}
				if s.tls != nil {
					d = tls.Server(d, s.tls)
				}
				part := b[min(rest, len(b)):]
				if budget > 0 {
					part = part[:min(budget, len(part))]
				}
				_, err = d.Write(part)
				d.Close()
				if rest = 0; err != nil || budget > 0 {
					say("426 broken off")
				} else {
					say("226 done")
				}
			}
		case "REST":
			fmt.Sscan(arg, &rest)
			say("350 from there")
		default:
			say("200 yes")
		}
	}
}

func content(size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func get(t *testing.T, u *url.URL, o Options) *Device {
	t.Helper()
	d, err := Get(context.Background(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Files are read in any order, with and without TLS, by who one is.
func TestRead(t *testing.T) {
	want := content(1 << 20)
	s := start(t, want)
	https := httptest.NewTLSServer(nil)
	defer https.Close()
	pool := x509.NewCertPool()
	pool.AddCert(https.Certificate())
	client := &tls.Config{RootCAs: pool, ServerName: "example.com"}
	for _, c := range []struct {
		scheme string
		user   *url.Userinfo
		netrc  string
	}{{"ftp", nil, ""}, {"ftp", url.UserPassword("me", secret), ""}, {"ftp", nil, "machine 127.0.0.1 login me password " + secret}, {"ftpes", nil, ""}, {"ftps", nil, ""}} {
		at := s
		if c.scheme != "ftp" {
			at = start(t, want)
			at.tls = &tls.Config{Certificates: https.TLS.Certificates}
			if c.scheme == "ftps" {
				at.l.Close()
				l, err := tls.Listen("tcp", "127.0.0.1:0", at.tls)
				if err != nil {
					t.Fatal(err)
				}
				at.l = l
				go at.accept(l)
			}
		}
		if err := os.WriteFile(os.Getenv("HOME")+"/.netrc", []byte(c.netrc), 0o600); err != nil {
			t.Fatal(err)
		}
		d := get(t, at.url(c.scheme, c.user), Options{TLS: client})
		got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size()))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %v", c.scheme, err)
		}
		var wait sync.WaitGroup
		for i := range 20 {
			wait.Go(func() {
				off, p := (i*777777)%(1<<20), make([]byte, 5000)
				n, err := d.ReadAt(p, int64(off))
				if !bytes.Equal(p[:n], want[off:min(off+5000, 1<<20)]) || err != nil && err != io.EOF {
					t.Errorf("%s: at %d: %v", c.scheme, off, err)
				}
			})
		}
		wait.Wait()
		d.Close()
		if at != s {
			at.l.Close()
		}
	}
}

// What is cut is read on, and nothing is put together of two files.
func TestFaults(t *testing.T) {
	want := content(1 << 20)
	s := start(t, want)
	d := get(t, s.url("ftp", nil), Options{Stall: 200 * time.Millisecond, Patience: 500 * time.Millisecond})
	s.set(func() { s.budget = 300 << 10 })
	if got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size())); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	s.set(func() { s.budget = 0 })
	p := make([]byte, 1000)
	s.cut()
	if _, err := d.ReadAt(p, 5000); err != nil || !bytes.Equal(p, want[5000:6000]) {
		t.Error(err)
	}
	s.set(func() { s.silent = true })
	start := time.Now()
	if _, err := d.ReadAt(p, 7000); err == nil || time.Since(start) > 10*time.Second {
		t.Error("a server that says nothing", err)
	}
	s.set(func() { s.silent, s.mtime = false, "20210101000000" })
	s.cut()
	if _, err := d.ReadAt(p, 9000); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	pulled := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(context.Background())
	c, err := Get(ctx, s.url("ftp", nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.silent = true })
	time.AfterFunc(20*time.Millisecond, func() { cancel(pulled) })
	if _, err := c.ReadAt(p, 5); !errors.Is(err, pulled) {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	s := start(t, content(1000))
	other := s.url("ftp", nil)
	other.Path = "/other"
	for _, c := range []struct {
		u    *url.URL
		o    disk.Options
		want error
	}{
		{s.url("ftp", url.UserPassword("me", secret+"!")), disk.Options{}, fs.ErrPermission},
		{other, disk.Options{}, fs.ErrNotExist},
		{s.url("ftp", nil), disk.Options{Writable: true}, syscall.EROFS},
		{&url.URL{Scheme: "ftp", Host: "h"}, disk.Options{}, nil},
		{&url.URL{Scheme: "ftp", Host: "h", Path: "/a\r\nDELE b"}, disk.Options{}, nil},
	} {
		_, err := Open(context.Background(), c.u, c.o)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", c.u.Redacted(), err)
		}
	}
}
