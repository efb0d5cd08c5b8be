package ftpdisk

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/ftptest"
)

const secret = "s3cr3t"

func start(t *testing.T, b []byte, config *tls.Config, implicit bool) *ftptest.Server {
	t.Helper()
	s, err := ftptest.Listen(b, secret, config, implicit)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("NETRC", "")
	t.Cleanup(s.Close)
	return s
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
		var config *tls.Config
		if c.scheme != "ftp" {
			config = &tls.Config{Certificates: https.TLS.Certificates}
		}
		s := start(t, want, config, c.scheme == "ftps")
		if err := os.WriteFile(os.Getenv("HOME")+"/.netrc", []byte(c.netrc), 0o600); err != nil {
			t.Fatal(err)
		}
		d := get(t, s.URL(c.scheme, c.user), Options{TLS: client})
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
	}
}

// What is cut is read on, and nothing is put together of two files.
func TestFaults(t *testing.T) {
	want := content(1 << 20)
	s := start(t, want, nil, false)
	d := get(t, s.URL("ftp", nil), Options{Stall: 200 * time.Millisecond, Patience: 500 * time.Millisecond})
	s.Set(func() { s.Budget = 300 << 10 })
	if got, err := io.ReadAll(io.NewSectionReader(d, 0, d.Size())); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	s.Set(func() { s.Budget = 0 })
	p := make([]byte, 1000)
	s.Cut()
	if _, err := d.ReadAt(p, 5000); err != nil || !bytes.Equal(p, want[5000:6000]) {
		t.Error(err)
	}
	s.Set(func() { s.Silent = true })
	start := time.Now()
	if _, err := d.ReadAt(p, 7000); err == nil || time.Since(start) > 10*time.Second {
		t.Error("a server that says nothing", err)
	}
	s.Set(func() { s.Silent, s.MTime = false, "20210101000000" })
	s.Cut()
	if _, err := d.ReadAt(p, 9000); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	pulled := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(context.Background())
	c, err := Get(ctx, s.URL("ftp", nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Set(func() { s.Silent = true })
	time.AfterFunc(20*time.Millisecond, func() { cancel(pulled) })
	if _, err := c.ReadAt(p, 5); !errors.Is(err, pulled) {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	s := start(t, content(1000), nil, false)
	other := s.URL("ftp", nil)
	other.Path = "/other"
	for _, c := range []struct {
		u    *url.URL
		o    disk.Options
		want error
	}{
		{s.URL("ftp", url.UserPassword("me", secret+"!")), disk.Options{}, fs.ErrPermission},
		{other, disk.Options{}, fs.ErrNotExist},
		{s.URL("ftp", nil), disk.Options{Writable: true}, syscall.EROFS},
		{&url.URL{Scheme: "ftp", Host: "h"}, disk.Options{}, nil},
		{&url.URL{Scheme: "ftp", Host: "h", Path: "/a\r\nDELE b"}, disk.Options{}, nil},
	} {
		_, err := Open(context.Background(), c.u, c.o)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", c.u.Redacted(), err)
		}
	}
}
