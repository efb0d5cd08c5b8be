package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unboot/unboot/internal/testimg"
)

// delay is the round trip time of the server in the benchmarks.
const delay = 20 * time.Millisecond

// A farConn is the server's end of a connection over which a round trip takes long.
type farConn struct {
	net.Conn
	out chan farWrite
	end sync.Once
}

type farWrite struct {
	p  []byte
	at time.Time
}

func newFarConn(c net.Conn) *farConn {
	f := &farConn{Conn: c, out: make(chan farWrite, 1<<16)}
	go func() {
		for w := range f.out {
			time.Sleep(time.Until(w.at))
			if _, err := c.Write(w.p); err != nil {
				c.Close()
			}
		}
		c.Close()
	}()
	return f
}

// Write delays what is sent by all of the round trip, as what is received is not.
func (f *farConn) Write(p []byte) (n int, err error) {
	defer func() {
		if recover() != nil {
			err = net.ErrClosed
		}
	}()
	f.out <- farWrite{append([]byte(nil), p...), time.Now().Add(delay)}
	return len(p), nil
}

func (f *farConn) Close() error {
	f.end.Do(func() { close(f.out) })
	return nil
}

type farListener struct{ net.Listener }

func (l farListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newFarConn(c), nil
}

// A farServer is one that serves a file by https, far away.
type farServer struct {
	url, cert string
	requests  atomic.Int64
	received  atomic.Int64
	mu        sync.Mutex
	ranges    []string
	start     time.Time
}

func newFarServer(t testing.TB, path string) *farServer {
	t.Helper()
	f := &farServer{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.requests.Add(1)
		f.mu.Lock()
		f.ranges = append(f.ranges, fmt.Sprintf("%4d ms %s", time.Since(f.start).Milliseconds(), r.Header.Get("Range")))
		f.mu.Unlock()
		http.ServeFile(w, r, path)
	}))
	s.Listener = farListener{s.Listener}
	s.TLS = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	f.url = s.URL + "/disk.img"
	f.cert = filepath.Join(t.TempDir(), "cert.pem")
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(f.cert, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// run runs the program that UNBOOT_BENCH names on the image, and reports its requests.
func (f *farServer) run(t testing.TB, program string, args ...string) (requests int64, took time.Duration) {
	t.Helper()
	f.requests.Store(0)
	f.ranges, f.start = nil, time.Now()
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+f.cert)
	var text strings.Builder
	cmd.Stderr = &text
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, text.String())
	}
	t.Log(strings.TrimSpace(text.String()))
	return f.requests.Load(), time.Since(f.start)
}

// How long whole commands take on an image that is far away. UNBOOT_BENCH names the program, and
// with UNBOOT_BENCH_RANGES it says what was asked for when.
func BenchmarkRemote(b *testing.B) {
	program := os.Getenv("UNBOOT_BENCH")
	if program == "" {
		b.Skip("UNBOOT_BENCH does not name a program")
	}
	image := testimg.Debian(b, "ext4")
	f := newFarServer(b, image)
	for name, args := range map[string][]string{
		"ls": {"ls", "--stats", f.url + ":/"}, "info": {"info", "--stats", f.url}, "packages": {"cat", "--stats", f.url + ":/var/lib/dpkg/status"},
	} {
		b.Run(name, func(b *testing.B) {
			n := int64(0)
			for b.Loop() {
				r, _ := f.run(b, program, args...)
				n = r
			}
			b.ReportMetric(float64(n), "requests")
			if os.Getenv("UNBOOT_BENCH_RANGES") != "" {
				os.Stderr.WriteString(name + "\n" + strings.Join(f.ranges, "\n") + "\n")
			}
		})
	}
}
