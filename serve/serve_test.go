package serve_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/serve"
)

func TestMain(m *testing.M) { rig.Main(m) }

const token = "a token/with+odd=characters"

// odd are names that pages and addresses have to get right.
var odd = []string{"a b", "100%", "50%25", "q?x=1", "h#y", "javascript:alert(1)", "<b>&amp;\"'", "..hidden", "ü→", "\xff\xfe", "new\nline", "back\\slash", "//x"[2:], "http:", "a;b", "+plus"}

// image opens an image with files of this test in it, and returns its tree as it is read.
func image(t *testing.T) *unboot.FS {
	t.Helper()
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	fsys := open(t, path, unboot.Writable())
	rig.Check(t, "mkdir", fsys.MkdirAll("dir/sub", 0o755))
	put(t, fsys, "dir/page.html", []byte("<!DOCTYPE html><script>document.title='run'</script>"))
	put(t, fsys, "dir/picture", append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 100)...))
	put(t, fsys, "dir/sub/large", testimg.Pattern(3<<20, 1))
	put(t, fsys, "dir/empty", nil)
	rig.Check(t, "symlink", fsys.Symlink("/dir/sub", "dir/link"))
	rig.Check(t, "symlink", fsys.Symlink("../../../../etc/passwd", "dir/out"))
	rig.Check(t, "symlink", fsys.Symlink("circle", "circle"))
	rig.Check(t, "mknod", fsys.Mknod("dir/fifo", os.ModeNamedPipe|0o644, 0))
	rig.Check(t, "mkdir", fsys.Mkdir("odd", 0o755))
	for _, name := range odd {
		put(t, fsys, "odd/"+name, []byte("content of "+name))
	}
	rig.Check(t, "unmount", fsys.Unmount())
	rig.Check(t, "close", fsys.Image().Close())
	return open(t, path)
}

func open(t *testing.T, path string, o ...unboot.Option) *unboot.FS {
	t.Helper()
	img, err := unboot.Open(context.Background(), path, o...)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "open", err)
	t.Cleanup(func() { img.Close() })
	fsys, err := img.MountAuto()
	rig.Check(t, "mount", err)
	return fsys
}

func put(t *testing.T, fsys *unboot.FS, name string, data []byte) {
	t.Helper()
	rig.Check(t, "put", fsys.Put(name, &unboot.Metadata{Mode: 0o644}, bytes.NewReader(data)))
}

// A site is a server and what was logged.
type site struct {
	*httptest.Server
	logged []string
}

func start(t *testing.T, fsys *unboot.FS) *site {
	s := &site{}
	s.Server = httptest.NewServer(serve.New(fsys, serve.Options{Token: token, Log: func(name string, err error) {
		s.logged = append(s.logged, fmt.Sprintf("%s: %v", name, err))
	}}))
	t.Cleanup(func() {
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

// get asks for an address as a program does. It follows nothing.
func (s *site) get(t *testing.T, method, path string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, nil)
	rig.Check(t, "request", err)
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	rig.Check(t, method+" "+path, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	rig.Check(t, "read "+path, err)
	return resp, body
}

var hrefs = regexp.MustCompile(`<td class="name"><a href="([^"]*)">`)

// TestPages: each name of a directory is on its page, and its link leads to its content.
func TestPages(t *testing.T) {
	s := start(t, image(t))
	resp, body := s.get(t, "GET", "/odd/")
	if resp.StatusCode != 200 || !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") || bytes.Contains(body, []byte("<script")) {
		t.Fatalf("%s, %v:\n%s", resp.Status, resp.Header, body)
	}
	base, _ := url.Parse(s.URL + "/odd/")
	got := map[string]bool{}
	for _, m := range hrefs.FindAllSubmatch(body, -1) {
		link, err := base.Parse(html.UnescapeString(string(m[1])))
		if err != nil || link.Host != base.Host {
			t.Errorf("link %q: %v", m[1], err)
			continue
		}
		resp, data := s.get(t, "GET", link.RequestURI())
		name, ok := strings.CutPrefix(string(data), "content of ")
		if resp.StatusCode != 200 || !ok {
			t.Errorf("%q: %s", m[1], resp.Status)
		}
		got[name] = true
	}
	for _, name := range odd {
		if !got[name] {
			t.Errorf("%q is not on the page", name)
		}
	}
	if bytes.Contains(body, []byte("new\nline")) || !bytes.Contains(body, []byte(`new\u{a}line`)) || !bytes.Contains(body, []byte(`\xff\xfe`)) {
		t.Error("what is not to be seen is not escaped")
	}
}

// TestOrder: pages are sorted as their addresses say.
func TestOrder(t *testing.T) {
	s := start(t, image(t))
	for query, want := range map[string]string{
		"":                      "link/ sub/ empty fifo out page.html picture",
		"?sort=name&order=desc": "sub/ link/ picture page.html out fifo empty",
		"?sort=size":            "link/ sub/ empty fifo out page.html picture",
		"?sort=nonsense":        "link/ sub/ empty fifo out page.html picture",
	} {
		_, body := s.get(t, "GET", "/dir/"+query)
		var names []string
		for _, m := range hrefs.FindAllSubmatch(body, -1) {
			names = append(names, strings.TrimPrefix(string(m[1]), "./"))
		}
		if strings.Contains(query, "size") {
			// The size of a symbolic link is that of its target's name.
			if names[len(names)-1] != "picture" || !slices.Contains(names, "empty") {
				t.Errorf("%q: %v", query, names)
			}
			continue
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: %s, want %s", query, got, want)
		}
	}
}

// TestFiles: content, ranges, types, and what is not given out.
func TestFiles(t *testing.T) {
	s := start(t, image(t))
	large := testimg.Pattern(3<<20, 1)
	for _, c := range []struct {
		path   string
		header []string
		status int
		body   []byte // nil for any
		want   string // in the header
	}{
		{"/dir/sub/large", nil, 200, large, "Accept-Ranges: bytes"},
		{"/dir/sub/large", []string{"Range", "bytes=1000000-1000099"}, 206, large[1000000:1000100], "Content-Range: bytes 1000000-1000099/3145728"},
		{"/dir/sub/large", []string{"Range", "bytes=-5"}, 206, large[len(large)-5:], ""},
		{"/dir/sub/large", []string{"Range", "bytes=4000000-"}, 416, nil, ""},
		{"/dir/link/large", nil, 200, large, "Content-Type: application/octet-stream"},
		{"/dir/sub/large", nil, 200, nil, `Content-Disposition: attachment; filename=large`},
		{"/dir/page.html", nil, 200, nil, "Content-Type: text/plain; charset=utf-8"},
		{"/dir/page.html", nil, 200, nil, "Content-Security-Policy: sandbox; default-src 'none'"},
		{"/dir/page.html", nil, 200, nil, "X-Content-Type-Options: nosniff"},
		{"/dir/page.html", nil, 200, nil, "Content-Disposition: inline; filename=page.html"},
		{"/dir/page.html?download", nil, 200, nil, "Content-Disposition: attachment; filename=page.html"},
		{"/dir/picture", nil, 200, nil, "Content-Type: image/png"},
		{"/dir/empty", nil, 200, []byte{}, "Content-Length: 0"},
		{"/dir", nil, 301, nil, "Location: /dir/"},
		{"/dir/fifo", nil, 403, nil, ""},
		{"/dir/out", nil, 404, nil, ""},
		{"/dir/page.html/", nil, 404, nil, ""},
		{"/nothing", nil, 404, nil, ""},
		{"/../etc/passwd", nil, 404, nil, ""},
		{"/dir/%2e%2e/dir/empty", nil, 404, nil, ""},
		{"//dir", nil, 404, nil, ""},
		{"/dir%00", nil, 404, nil, ""},
		{"/dir/?archive=rar", nil, 400, nil, ""},
		{"/" + strings.Repeat("x", 300), nil, 404, nil, ""},
		{"/" + strings.Repeat("x", 5000), nil, 404, nil, ""},
		{"/dir/page.html/below", nil, 404, nil, ""},
		{"/circle", nil, 404, nil, ""},
	} {
		resp, body := s.get(t, "GET", c.path, c.header...)
		var head strings.Builder
		resp.Header.Write(&head)
		if resp.StatusCode != c.status || c.body != nil && !bytes.Equal(body, c.body) || !strings.Contains(head.String(), c.want) {
			t.Errorf("%.60s %v: %s, %d bytes, %s", c.path, c.header, resp.Status, len(body), &head)
		}
	}
	resp, body := s.get(t, "HEAD", "/dir/sub/large")
	if resp.StatusCode != 200 || resp.ContentLength != 3<<20 || len(body) != 0 {
		t.Errorf("HEAD: %s, length %d", resp.Status, resp.ContentLength)
	}
	if len(s.logged) > 0 {
		t.Errorf("logged: %q", s.logged)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PROPFIND", "OPTIONS"} {
		if resp, _ := s.get(t, method, "/dir/empty"); resp.StatusCode != 405 {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}

// TestValidators: a client asks for a file again only if it has changed, and does not take that of
// another image for it, though name, size and time are the same.
func TestValidators(t *testing.T) {
	fsys := image(t)
	first, second := start(t, fsys), start(t, fsys)
	resp, _ := first.get(t, "GET", "/dir/page.html")
	tag, time := resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	if tag == "" || time == "" {
		t.Fatalf("%v", resp.Header)
	}
	for _, c := range []struct {
		s      *site
		header []string
		status int
	}{
		{first, []string{"If-None-Match", tag, "If-Modified-Since", time}, 304},
		{second, []string{"If-None-Match", tag, "If-Modified-Since", time}, 200},
		{first, []string{"If-Range", tag, "Range", "bytes=0-4"}, 206},
		{second, []string{"If-Range", tag, "Range", "bytes=0-4"}, 200},
	} {
		if resp, _ := c.s.get(t, "GET", "/dir/page.html", c.header...); resp.StatusCode != c.status {
			t.Errorf("%v: %s, want %d", c.header, resp.Status, c.status)
		}
	}
}

// TestTargets: of a long target a page has the start.
func TestTargets(t *testing.T) {
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	fsys := open(t, path, unboot.Writable())
	rig.Check(t, "symlink", fsys.Symlink(strings.Repeat("é", 256), "fits"))
	rig.Check(t, "symlink", fsys.Symlink(strings.Repeat("é", 400), "long"))
	_, body := start(t, fsys).get(t, "GET", "/")
	for _, want := range []string{strings.Repeat("é", 256) + "</td>", strings.Repeat("é", 256) + "…</td>"} {
		if bytes.Count(body, []byte("→ "+want)) != 1 {
			t.Errorf("no %q in %d bytes", want[len(want)-20:], len(body))
		}
	}
}

// TestStalled: clients that do not receive what they have asked for keep nobody from pages and
// files, and from archives not for long.
func TestStalled(t *testing.T) {
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	fsys := open(t, path, unboot.Writable())
	rig.Check(t, "mkdir", fsys.MkdirAll("big", 0o755))
	put(t, fsys, "big/file", testimg.Pattern(8<<20, 1))
	rig.Check(t, "mkdir", fsys.MkdirAll("small", 0o755))
	put(t, fsys, "small/file", []byte("text"))
	h := serve.New(fsys, serve.Options{Token: token})
	serve.SetStall(h, 3*time.Second)
	s := &site{Server: httptest.NewServer(h)}
	defer s.Close()
	// A Unix socket keeps less on its way than a file has.
	socket := t.TempDir() + "/s"
	l, err := net.Listen("unix", socket)
	rig.Check(t, "listen", err)
	small := &http.Server{Handler: h}
	go small.Serve(l)
	defer small.Close()
	stalled := func(path string) net.Conn {
		c, err := net.Dial("unix", socket)
		rig.Check(t, "dial", err)
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n", path, token)
		_, err = io.ReadFull(c, make([]byte, 10<<10))
		rig.Check(t, "start of "+path, err)
		return c
	}
	var conns []net.Conn
	began := time.Now()
	for range serve.AtOnce {
		conns = append(conns, stalled("/big/?archive=tar"), stalled("/big/file"))
	}
	ready := time.Now()
	for _, path := range []string{"/small/", "/small/file"} {
		if resp, body := s.get(t, "GET", path); resp.StatusCode != 200 || len(body) == 0 {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	t.Logf("stalled in %v, then answered in %v", ready.Sub(began), time.Since(ready))
	if resp, body := s.get(t, "GET", "/small/?archive=zip"); resp.StatusCode != 200 || len(body) == 0 {
		t.Errorf("an archive: %s", resp.Status)
	}
	t.Logf("an archive after %v", time.Since(ready))
	if d := time.Since(began); d < 3*time.Second {
		t.Errorf("the archives did not stall: %v", d)
	}
	// They were given up on before their ends.
	time.Sleep(time.Until(ready.Add(5 * time.Second)))
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := io.Copy(io.Discard, c); n >= 7<<20 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

// TestBody: a body that does not come keeps no connection for long, and one that comes is not
// taken.
func TestBody(t *testing.T) {
	h := serve.New(image(t), serve.Options{Token: token})
	serve.SetStall(h, 500*time.Millisecond)
	s := httptest.NewServer(h)
	defer s.Close()
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\nContent-Length: 1000\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		rig.Check(t, "dial", err)
		io.WriteString(c, request)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		got, err := io.ReadAll(c) // to the end of the connection
		c.Close()
		if !strings.HasPrefix(string(got), "HTTP/1.1 40") || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: %v, %q", request, err, got)
		}
	}
}

// TestToken: without it there is nothing, and a browser gets in by an address that has it.
func TestToken(t *testing.T) {
	s := start(t, image(t))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(path, header, value string) *http.Response {
		r, _ := http.NewRequest("GET", s.URL+path, nil)
		if header != "" {
			r.Header.Set(header, value)
		}
		resp, err := client.Do(r)
		rig.Check(t, path, err)
		resp.Body.Close()
		return resp
	}
	sum := sha256.Sum256([]byte(token))
	cookie := fmt.Sprintf("unboot-%x", sum[:4])
	for _, c := range [][3]string{
		{"/"}, {"/nothing"}, {"/?token=wrong"}, {"/?token="}, {"/", "Authorization", "Bearer wrong"}, {"/", "Authorization", "Bearer "},
		{"/", "Authorization", token}, {"/", "Cookie", cookie + "=wrong"}, {"/", "Cookie", cookie + "="}, {"/", "Cookie", cookie + "=" + url.QueryEscape(token)},
	} {
		if resp := ask(c[0], c[1], c[2]); resp.StatusCode != 401 {
			t.Errorf("%q: %s", c, resp.Status)
		}
	}
	resp := ask("/dir/?sort=size&token="+url.QueryEscape(token), "", "")
	if resp.StatusCode != 303 || resp.Header.Get("Location") != "/dir/?sort=size" {
		t.Fatalf("%s to %q", resp.Status, resp.Header.Get("Location"))
	}
	c := resp.Cookies()
	if len(c) != 1 || c[0].Name != cookie || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode {
		t.Fatalf("cookies %v", c)
	}
	if resp := ask("/dir/", "Cookie", c[0].Name+"="+c[0].Value); resp.StatusCode != 200 {
		t.Errorf("with the cookie: %s", resp.Status)
	}
	// Servers at other ports of the host get the cookie too.
	if strings.Contains(c[0].Value, token) || strings.Contains(c[0].Value, url.QueryEscape(token)) {
		t.Errorf("the token is in the cookie %q", c[0].Value)
	}
	if resp := ask("/dir/", "Authorization", "Bearer "+c[0].Value); resp.StatusCode != 401 {
		t.Errorf("the cookie as a token: %s", resp.Status)
	}
	for _, other := range []string{token, "another token"} {
		rec := httptest.NewRecorder()
		serve.New(nil, serve.Options{Token: other}).ServeHTTP(rec, httptest.NewRequest("GET", "/?token="+url.QueryEscape(other), nil))
		d := rec.Result().Cookies()
		if len(d) != 1 || (d[0].Name == c[0].Name) != (other == token) || (d[0].Value == c[0].Value) != (other == token) {
			t.Errorf("%q: cookies %v and %v", other, c, d)
		}
	}
	if resp := ask("//elsewhere.example/?token="+url.QueryEscape(token), "", ""); resp.StatusCode != 404 {
		t.Errorf("redirected to %q", resp.Header.Get("Location"))
	}
}

// TestArchives: unzip and tar get what is in the directory.
func TestArchives(t *testing.T) {
	s := start(t, image(t))
	large := testimg.Pattern(3<<20, 1)
	_, body := s.get(t, "GET", "/dir/?archive=zip")
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	rig.Check(t, "zip", err)
	got := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		rig.Check(t, f.Name, err)
		got[f.Name], err = io.ReadAll(r)
		rig.Check(t, f.Name, err)
	}
	if len(got) != 8 || !bytes.Equal(got["dir/sub/large"], large) || string(got["dir/link"]) != "/dir/sub" || got["dir/sub/"] == nil {
		t.Errorf("%d members", len(got))
	}
	if _, err := exec.LookPath("unzip"); err == nil {
		path := t.TempDir() + "/a.zip"
		rig.Check(t, "write", os.WriteFile(path, body, 0o644))
		testimg.MustRun(t, "unzip", "-tqq", path)
	}
	_, body = s.get(t, "GET", "/dir/?archive=tar")
	members := 0
	for r := tar.NewReader(bytes.NewReader(body)); ; members++ {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		rig.Check(t, "tar", err)
		if data, _ := io.ReadAll(r); h.Name == "dir/sub/large" && !bytes.Equal(data, large) {
			t.Error("another content")
		}
	}
	if members != 9 {
		t.Errorf("%d members", members)
	}
	if _, body := s.get(t, "GET", "/odd/?archive=tar"); len(body) < 512*2*len(odd) {
		t.Errorf("odd names: %d bytes", len(body))
	}
	_, body = s.get(t, "GET", "/odd/?archive=zip")
	z, err = zip.NewReader(bytes.NewReader(body), int64(len(body)))
	rig.Check(t, "zip", err)
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	if len(names) != 1+len(odd) || !slices.Contains(names, "odd/back_slash") || strings.Contains(strings.Join(names, ""), `\`) {
		t.Errorf("odd names: %q", names)
	}
}

// TestDies: when the kernel has ended, what is asked for is an error and is logged.
func TestDies(t *testing.T) {
	fsys := image(t)
	s := start(t, fsys)
	r, _ := http.NewRequest("GET", s.URL+"/dir/sub/large", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	fsys.View().Kernel().Kill()
	resp, err := http.DefaultTransport.RoundTrip(r)
	rig.Check(t, "request", err)
	resp.Body.Close()
	if resp.StatusCode != 500 {
		t.Errorf("%s", resp.Status)
	}
	if len(s.logged) == 0 {
		t.Error("nothing was logged")
	}
}

// TestBrowser looks at pages with a browser: what it shows, and where its links lead.
func TestBrowser(t *testing.T) {
	browser := ""
	for _, name := range []string{"chromium", "chromium-headless-shell", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			browser = path
			break
		}
	}
	if browser == "" {
		t.Skip("no browser (Debian's package chromium)")
	}
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{}))
	fsys := open(t, path, unboot.Writable())
	rig.Check(t, "mkdir", fsys.Mkdir("many", 0o755))
	var files []*unboot.NewFile
	for i := range 10000 {
		files = append(files, &unboot.NewFile{Name: fmt.Sprintf("many/file-%05d", i), Metadata: unboot.Metadata{Mode: 0o644}, Data: []byte("x")})
		if len(files) == 100 {
			rig.Check(t, "put", errors.Join(fsys.PutFiles(files)...))
			files = nil
		}
	}
	rig.Check(t, "mkdir", fsys.Mkdir("odd", 0o755))
	for i, name := range odd {
		put(t, fsys, "odd/"+name, []byte(strings.Repeat("x", 100+i)))
	}
	put(t, fsys, "page.html", []byte("<script>document.title='run'</script><p id=p>shown</p>"))
	rig.Check(t, "sync", fsys.Sync())
	s := start(t, fsys)
	dom := func(path string) string {
		t.Helper()
		u := s.URL + path
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		out, err := exec.Command("timeout", "60", browser, "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+t.TempDir(), "--dump-dom", u+sep+"token="+url.QueryEscape(token)).Output()
		if err != nil {
			t.Fatalf("%s %s: %v", browser, path, err)
		}
		return string(out)
	}
	// Through the redirect with its cookie, a page of 10,000 rows in order.
	page := dom("/many/?sort=name&order=desc")
	rows := hrefs.FindAllStringSubmatch(page, -1)
	if len(rows) != 10000 || rows[0][1] != "./file-09999" || rows[9999][1] != "./file-00000" {
		t.Errorf("%d rows", len(rows))
	}
	// What the browser makes of odd names, and what is behind its links.
	page = dom("/odd/?sort=size")
	rows = hrefs.FindAllStringSubmatch(page, -1)
	if len(rows) != len(odd) {
		t.Fatalf("%d rows of %d:\n%s", len(rows), len(odd), page)
	}
	base, _ := url.Parse(s.URL + "/odd/")
	for i, m := range rows {
		link, err := base.Parse(html.UnescapeString(m[1]))
		rig.Check(t, m[1], err)
		if resp, body := s.get(t, "GET", link.RequestURI()+"?download"); len(body) != 100+i || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%q: %s, %d bytes", odd[i], resp.Status, len(body))
		}
	}
	// A page of the image is text, of which nothing runs.
	if page = dom("/page.html"); strings.Contains(page, "<title>run") || strings.Contains(page, `<p id="p">`) || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("a page of the image:\n%s", page)
	}
}
