package httpdisk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot/disk"
)

func TestRead(t *testing.T) {
	for _, size := range []int{1, 511, 512, DefaultHead - 1, DefaultHead, DefaultHead + 1, 300000} {
		b := content(size)
		h, requests := counted(file(b))
		d := get(t, start(t, h), Options{})
		if d.Size() != int64(size) || d.Identity() != `"one"` {
			t.Fatalf("%d bytes, %q", d.Size(), d.Identity())
		}
		if got, err := all(d); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes: others, %v", size, err)
		}
		r := rand.New(rand.NewPCG(2, 2))
		for range 50 {
			off := r.Int64N(int64(size))
			p := make([]byte, r.IntN(100000))
			n, err := d.ReadAt(p, off)
			if want := min(int64(len(p)), int64(size)-off); int64(n) != want || (err != nil) != (n < len(p)) || !bytes.Equal(p[:n], b[off:off+want]) {
				t.Fatalf("%d at %d of %d: %d, %v", len(p), off, size, n, err)
			}
		}
		if _, err := d.ReadAt(make([]byte, 1), int64(size)); err != io.EOF {
			t.Error(err)
		}
		if _, err := d.ReadAt(make([]byte, 1), -1); !errors.Is(err, syscall.EINVAL) {
			t.Error(err)
		}
		if n := d.Traffic().Requests; n != requests.Load() || size <= DefaultHead && n != 1 {
			t.Errorf("%d requests, %d counted", requests.Load(), n)
		}
	}
}

func TestWritable(t *testing.T) {
	u := start(t, file(content(1000)))
	if _, err := Open(context.Background(), u, disk.Options{Writable: true}); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
	d := get(t, u, Options{})
	if _, err := d.WriteAt(make([]byte, 10), 0); !errors.Is(err, syscall.EROFS) {
		t.Error(err)
	}
}

func TestEmpty(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"200": file(nil),
		"416": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes */0")
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		},
	} {
		if d := get(t, start(t, h), Options{}); d.Size() != 0 {
			t.Errorf("%s: %d bytes", name, d.Size())
		}
	}
}

// flaky is a server whose answers fail in every way that passes.
func flaky(b []byte) http.HandlerFunc {
	var n atomic.Int64
	good := file(b)
	return func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 9 {
		case 0:
			w.Header().Set("Retry-After", "0")
			http.Error(w, "slow down", http.StatusTooManyRequests)
		case 1:
			http.Error(w, "not now", http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler) // cut before the header
		case 3, 4, 5: // cut in the middle
			rec := httptest.NewRecorder()
			good(rec, r)
			for k, v := range rec.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(rec.Code)
			w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case 6:
			http.Error(w, "bad gateway", http.StatusBadGateway)
		default:
			good(w, r)
		}
	}
}

func TestFlaky(t *testing.T) {
	b := content(1 << 20)
	d := get(t, start(t, flaky(b)), Options{})
	for off := 0; off < len(b); off += 300000 {
		p := make([]byte, min(300000, len(b)-off))
		if _, err := d.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, b[off:off+len(p)]) {
			t.Fatalf("at %d: %v", off, err)
		}
	}
}

// Servers of which nothing comes for good are errors, each with what it is.
func TestRefused(t *testing.T) {
	state := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			if status == http.StatusPartialContent {
				w.Write(make([]byte, 1000))
			}
		}
	}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		is   error
		text string
	}{
		"404":             {state(404), fs.ErrNotExist, "404 Not Found"},
		"403":             {state(403), fs.ErrPermission, "403 Forbidden"},
		"401":             {state(401), fs.ErrPermission, "~/.netrc"},
		"400":             {state(400), nil, "400 Bad Request"},
		"501":             {state(501), nil, "501"},
		"503 for good":    {state(503), nil, "503 Service Unavailable (and so for 300ms)"},
		"429 for an hour": {state(429, "Retry-After", "3600"), nil, "429 Too Many Requests"},
		"no ranges": {func(w http.ResponseWriter, r *http.Request) {
			r.Header.Del("Range")
			file(content(1000))(w, r)
		}, ErrNoRanges, "download it first"},
		"gzip":            {state(206, "Content-Encoding", "gzip", "Content-Range", "bytes 0-999/1000"), ErrEncoded, "gzip"},
		"no range":        {state(206), ErrAnswer, "range"},
		"multipart":       {state(206, "Content-Type", "multipart/byteranges; boundary=x"), ErrAnswer, "range"},
		"another range":   {state(206, "Content-Range", "bytes 5-999/1000"), ErrAnswer, "bytes 5 to"},
		"backwards":       {state(206, "Content-Range", "bytes 9-5/1000"), ErrAnswer, "range"},
		"past the end":    {state(206, "Content-Range", "bytes 0-1000/1000"), ErrAnswer, "range"},
		"no size":         {state(206, "Content-Range", "bytes 0-999/*"), ErrAnswer, "how large"},
		"huge":            {state(206, "Content-Range", "bytes 0-999/99999999999999999999"), ErrAnswer, "range"},
		"in other units":  {state(206, "Content-Range", "lines 0-999/1000"), ErrAnswer, "range"},
		"other length":    {state(206, "Content-Range", "bytes 0-499/1000", "Content-Length", "1000"), ErrAnswer, "1000 bytes in a range of 500"},
		"redirects to it": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, 302) }, ErrAnswer, "10 redirects"},
		"redirects away":  {state(302, "Location", "file:///etc/passwd"), nil, "unsupported protocol scheme"},
		"silence":         {func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, errStalled, "sends nothing"},
		"a byte at times": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-65535/100000")
			w.Header().Set("Content-Length", "65536")
			w.WriteHeader(206)
			for r.Context().Err() == nil {
				w.Write([]byte{1})
				w.(http.Flusher).Flush()
				time.Sleep(200 * time.Millisecond)
			}
		}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := start(t, c.h)
			o := Options{Patience: 300 * time.Millisecond}
			if name == "silence" {
				o.Stall = 100 * time.Millisecond
			}
			if name == "a byte at times" {
				o.Stall = time.Minute
				ctx, cancel := context.WithTimeoutCause(context.Background(), 500*time.Millisecond, errors.New("enough"))
				defer cancel()
				if _, err := Get(ctx, u, o); err == nil || err.Error() != "enough" {
					t.Error(err)
				}
				return
			}
			_, err := Get(context.Background(), u, o)
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := Get(context.Background(), &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Options{}); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Error(err)
	}
}

// A file that changes under us is an error, however that is seen.
func TestChanged(t *testing.T) {
	for name, change := range map[string]func(w http.ResponseWriter, r *http.Request, b []byte){
		"ETag": func(w http.ResponseWriter, r *http.Request, b []byte) {
			w.Header().Set("ETag", `"two"`)
			http.ServeContent(w, r, "", time.Unix(1e9, 0), bytes.NewReader(b))
		},
		"larger":  func(w http.ResponseWriter, r *http.Request, b []byte) { file(append(b, 0))(w, r) },
		"smaller": func(w http.ResponseWriter, r *http.Request, b []byte) { file(b[:100000])(w, r) },
		"gone":    func(w http.ResponseWriter, r *http.Request, b []byte) { file(nil)(w, r) },
		"other answer": func(w http.ResponseWriter, r *http.Request, b []byte) {
			r.Header.Del("Range")
			file(b)(w, r)
		},
	} {
		var changed atomic.Bool
		b := content(300000)
		d := get(t, start(t, func(w http.ResponseWriter, r *http.Request) {
			if changed.Load() {
				change(w, r, b)
			} else {
				file(b)(w, r)
			}
		}), Options{})
		changed.Store(true)
		_, err := d.ReadAt(make([]byte, 1000), 200000)
		if want := ErrChanged; name == "other answer" {
			want = ErrAnswer
			if !errors.Is(err, want) {
				t.Errorf("%s: %v", name, err)
			}
		} else if name != "gone" && !errors.Is(err, want) || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without an ETag, it is the time.
	var now atomic.Int64
	now.Store(1e9)
	d := get(t, start(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Unix(now.Load(), 0), bytes.NewReader(content(300000)))
	}), Options{})
	if d.Identity() == "" {
		t.Error("no identity")
	}
	now.Store(2e9)
	if _, err := d.ReadAt(make([]byte, 1000), 200000); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
}

// Redirects are followed once, and again when where they have led is over.
func TestRedirect(t *testing.T) {
	b := content(300000)
	var valid, redirected atomic.Int64
	valid.Store(1)
	u := start(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/disk.img":
			redirected.Add(1)
			http.Redirect(w, r, fmt.Sprintf("/signed/%d", valid.Load()), http.StatusFound)
		case fmt.Sprintf("/signed/%d", valid.Load()):
			file(b)(w, r)
		default:
			http.Error(w, "expired", http.StatusForbidden)
		}
	})
	d := get(t, u, Options{})
	read := func() {
		t.Helper()
		p := make([]byte, 1000)
		if _, err := d.ReadAt(p, 200000); err != nil || !bytes.Equal(p, b[200000:201000]) {
			t.Error(err)
		}
	}
	read()
	read()
	if n := redirected.Load(); n != 1 {
		t.Errorf("%d redirects", n)
	}
	valid.Store(2)
	read()
	read()
	if n := redirected.Load(); n != 2 {
		t.Errorf("%d redirects", n)
	}
}

// Who one is, is told the host that asks, and no other, and nobody else.
func TestAuthorization(t *testing.T) {
	const secret = "s3cr3t word"
	b := content(1000)
	var leaked atomic.Value
	other := start(t, func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("Authorization") + r.Header.Get("Referer"))
		file(b)(w, r)
	})
	want := ""
	u := start(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != want:
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/elsewhere":
			http.Redirect(w, r, other.String(), http.StatusFound)
		default:
			file(b)(w, r)
		}
	})
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("NETRC", "")
	basic := "Basic bWU6czNjcjN0IHdvcmQ="
	for _, c := range []struct {
		name, want, token, netrc, host string
		user                           *url.Userinfo
	}{
		{name: "URL", want: basic, user: url.UserPassword("me", secret)},
		{name: "netrc", want: basic, netrc: "machine other login x password y\nmachine 127.0.0.1\n login me\n password \"" + secret + "\"\n"},
		{name: "netrc default", want: basic, netrc: "macdef init\n machine 127.0.0.1 login no\n\n# machine 127.0.0.1\ndefault login me password \"" + secret + "\""},
		{name: "token", want: "Bearer " + secret, token: secret},
		{name: "none", want: ""},
	} {
		want = c.want
		t.Setenv(TokenVariable, c.token)
		if err := os.WriteFile(filepath.Join(dir, ".netrc"), []byte(c.netrc), 0o600); err != nil {
			t.Fatal(err)
		}
		mine := *u
		mine.User = c.user
		if got, err := all(get(t, &mine, Options{})); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %v", c.name, err)
		}
		mine.Path = "/elsewhere"
		get(t, &mine, Options{})
		if s := leaked.Load(); s != "" {
			t.Errorf("%s: the other host was told %q", c.name, s)
		}
		want = "something else"
		mine.RawQuery = "signature=" + url.QueryEscape(secret)
		_, err := Open(context.Background(), &mine, disk.Options{})
		if err == nil || strings.Contains(err.Error(), "s3cr3t") || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	// A token is not for everybody on the way.
	t.Setenv(TokenVariable, secret)
	if a := authorize(&url.URL{Scheme: "http", Host: "example.org"}); a.token != "" {
		t.Error("a token in the clear")
	}
}

// From https to http, nothing is read.
func TestDowngrade(t *testing.T) {
	plain := start(t, file(content(1000)))
	s := httptest.NewTLSServer(http.RedirectHandler(plain.String(), http.StatusFound))
	defer s.Close()
	u, _ := url.Parse(s.URL)
	if _, err := Get(context.Background(), u, Options{Transport: s.Client().Transport}); !errors.Is(err, errDowngrade) {
		t.Error(err)
	}
	// Nor from one whose certificate nobody vouches for, or that speaks no TLS.
	if _, err := Get(context.Background(), u, Options{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	plain.Scheme = "https"
	if _, err := Get(context.Background(), plain, Options{}); err == nil {
		t.Error("no TLS")
	}
}

// The end of the context is the end of all that is under way.
func TestContext(t *testing.T) {
	pulled := errors.New("the plug was pulled")
	b := content(300000)
	var silent atomic.Bool
	ctx, cancel := context.WithCancelCause(context.Background())
	d, err := Get(ctx, start(t, func(w http.ResponseWriter, r *http.Request) {
		if silent.Load() {
			<-r.Context().Done()
			return
		}
		file(b)(w, r)
	}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	silent.Store(true)
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			if _, err := d.ReadAt(make([]byte, 1000), 100000+int64(i)); !errors.Is(err, pulled) {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	cancel(pulled)
	wait.Wait()
}

// FuzzContentRange: a range that is accepted is one.
func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-99/1000", "bytes */5", "bytes 0-0/1", "bytes 5-4/9", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, size, err := contentRange(s)
		if err == nil && (got.start < 0 || got.end > size || got.start > got.end) {
			t.Errorf("%q: %+v of %d", s, got, size)
		}
	})
}

// FuzzNetrc: whatever is in a netrc, it is read to its end.
func FuzzNetrc(f *testing.F) {
	f.Add("machine h login \"a\\\"b\" password p account x macdef y\nz\n\n# c\ndefault login u")
	f.Fuzz(func(t *testing.T, s string) { parseNetrc(s, "h") })
}
