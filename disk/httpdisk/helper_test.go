package httpdisk

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// content is a file of the size that a test wants, which looks random.
func content(size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// file serves bytes as a good server does.
func file(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "disk.img", time.Unix(1e9, 0), bytes.NewReader(b))
	}
}

// counted counts requests.
func counted(h http.HandlerFunc) (http.HandlerFunc, *atomic.Int64) {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		h(w, r)
	}, &n
}

// start starts a server for the time of the test.
func start(t testing.TB, h http.HandlerFunc) *url.URL {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	u, err := url.Parse(s.URL + "/disk.img")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func get(t testing.TB, u *url.URL, o Options) *Device {
	t.Helper()
	d, err := Get(context.Background(), u, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// all reads a device to its end.
func all(d *Device) ([]byte, error) { return io.ReadAll(io.NewSectionReader(d, 0, d.Size())) }
