package sshdisk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
)

// A connection that is cut again and again is made again, and nothing is read wrongly.
func TestCut(t *testing.T) {
	f := newFaulty(t)
	want := content(1 << 20)
	path := write1(t, f.dir+"/file", want)
	d := dialTo(t, f.address(path), Options{})
	f.set(func() { f.budget = 300 << 10 })
	for range 2 {
		if got, err := all(d, d.Size()); err != nil || !bytes.Equal(got, want) {
			t.Fatal(err)
		}
		f.cut()
	}
}

// A file that is another one after that, or that changes while it is read, is an error.
func TestChanged(t *testing.T) {
	f := newFaulty(t)
	b := content(100000)
	for name, change := range map[string]func(path string) error{
		"size": func(path string) error { return os.Truncate(path, 99999) },
		"time": func(path string) error { return os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)) },
	} {
		for _, cut := range []bool{true, false} {
			path := write1(t, f.dir+"/"+name, b)
			d := dialTo(t, f.address(path), Options{})
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			if d.checked.Store(0); cut {
				f.cut()
			}
			if _, err := d.ReadAt(make([]byte, 1000), 5000); !errors.Is(err, ErrChanged) {
				t.Errorf("%s, %v: %v", name, cut, err)
			}
		}
	}
}

// A server that says nothing is given up, and one that goes on so is an error, once patience is
// over.
func TestSilent(t *testing.T) {
	f := newFaulty(t)
	path := write1(t, f.dir+"/file", content(100000))
	d := dialTo(t, f.address(path), Options{Stall: 200 * time.Millisecond, Patience: 500 * time.Millisecond})
	f.set(func() { f.silent = true })
	go func() {
		time.Sleep(300 * time.Millisecond)
		f.set(func() { f.silent = false })
	}()
	if _, err := d.ReadAt(make([]byte, 1000), 5000); err != nil {
		t.Error(err)
	}
	f.set(func() { f.silent = true })
	if _, err := d.ReadAt(make([]byte, 1000), 5000); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "does not answer") {
		t.Error(err)
	}
}

// The end of the context is the end of all that is under way.
func TestContext(t *testing.T) {
	f := newFaulty(t)
	path := write1(t, f.dir+"/file", content(100000))
	pulled := errors.New("the plug was pulled")
	ctx, cancel := context.WithCancelCause(context.Background())
	d, err := Dial(ctx, f.address(path), Options{})
	if err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.silent = true })
	var wait sync.WaitGroup
	for i := range 20 {
		wait.Go(func() {
			if _, err := d.ReadAt(make([]byte, 1000), int64(i)*100); !errors.Is(err, pulled) {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	cancel(pulled)
	wait.Wait()
	// Also of what is only being opened.
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	if _, err := Dial(ctx, f.address(path), Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// short is a file of a server that answers with less than was asked for.
type short struct{ *bytes.Reader }

func (s short) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.Reader.ReadAt(p[:min(len(p), 1+len(p)*2/3)], off)
	if n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (s short) Filewrite(*sftp.Request) (io.WriterAt, error) {
	return nil, sftp.ErrSSHFxPermissionDenied
}
func (s short) Filecmd(*sftp.Request) error                    { return os.ErrPermission }
func (s short) Fileread(*sftp.Request) (io.ReaderAt, error)    { return s, nil }
func (s short) Filelist(*sftp.Request) (sftp.ListerAt, error)  { return s, nil }
func (s short) ListAt(l []os.FileInfo, off int64) (int, error) { l[0] = s; return 1, io.EOF }
func (s short) Name() string                                   { return "file" }
func (s short) Mode() os.FileMode                              { return 0o600 }
func (s short) ModTime() time.Time                             { return time.Unix(1e9, 0) }
func (s short) IsDir() bool                                    { return false }
func (s short) Sys() any                                       { return nil }

// Answers may be short.
func TestShort(t *testing.T) {
	f := newFaulty(t)
	want := content(200000)
	s := short{bytes.NewReader(want)}
	f.handlers = sftp.Handlers{FileGet: s, FilePut: s, FileCmd: s, FileList: s}
	d := dialTo(t, f.address("/file"), Options{})
	if got, err := all(d, d.Size()); err != nil || !bytes.Equal(got, want) {
		t.Fatal(err)
	}
	p := make([]byte, 150000)
	if _, err := d.ReadAt(p, 40000); err != nil || !bytes.Equal(p, want[40000:190000]) {
		t.Error(err)
	}
	if _, err := d.ReadAt(p, 100000); err != io.EOF || !bytes.Equal(p[:100000], want[100000:]) {
		t.Error(err)
	}
	if _, err := Dial(context.Background(), f.address("/file"), Options{Writable: true}); !errors.Is(err, os.ErrPermission) {
		t.Error(err)
	}
}

func TestParseURL(t *testing.T) {
	for _, c := range []struct{ url, want string }{
		{"ssh://h/a/b", "|h||/a/b"},
		{"sftp://me@h:2222/~/x%20y", "me|h|2222|x y"},
		{"ssh://[::1]/x", "|::1||/x"},
		{"ssh://h", "!path"}, {"ssh:///x", "!host"}, {"ssh://me:secret@h/x", "!password"},
		{"ssh://h/x?y", "!%3F"}, {"ssh://-oProxyCommand=x/y", "!not a name"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		a, err := ParseURL(u)
		got := ""
		if a != nil {
			got = strings.Join([]string{a.User, a.Host, a.Port, a.Path}, "|")
		}
		if text, bad := strings.CutPrefix(c.want, "!"); bad && (err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "secret")) || !bad && got != c.want {
			t.Errorf("%s: %s, %v", c.url, got, err)
		}
	}
}

func TestMatchHost(t *testing.T) {
	for _, c := range []struct {
		patterns, host string
		want           bool
	}{
		{"*", "a", true}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"*.example.org !www.*", "x.example.org", true},
		{"*.example.org !www.*", "WWW.example.org", false}, {"a*b*c", "aXbXbc", true}, {"a*b*c", "aXc", false}, {"", "a", false},
	} {
		if got := matchHost(strings.Fields(c.patterns), c.host); got != c.want {
			t.Errorf("%q of %q: %v", c.host, c.patterns, got)
		}
	}
}

// FuzzConfig: whatever is in a configuration, it is read to its end, and answers.
func FuzzConfig(f *testing.F) {
	f.Add("Match exec x\n Port 1\nHost a !b* \"c d\"\nPort 2\nMatch host b,?\nPort=3 # x\nIdentityFile \"~/%h %%\"", "a")
	f.Fuzz(func(t *testing.T, text, host string) {
		dir := t.TempDir()
		path := write1(t, dir+"/config", []byte(strings.ReplaceAll(text, "nclude", "gnore")))
		c := &config{home: dir}
		if err := c.readFile(path, nil, 0); err == nil {
			c.peer("", host, "")
		}
	})
}
