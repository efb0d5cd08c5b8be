package serve

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
)

// Options say what is served and to whom.
type Options struct {
	// Token is what requests have to know. It must not be empty.
	Token string
	// Title is what pages call the root; "/" if it is empty.
	Title string
	// Log is called with what goes wrong while an answer is under way, or with the image;
	// it may be nil. name is a file of the tree.
	Log func(name string, err error)
}

// atOnce is how many pages are made at a time, and how many archives; others wait. A page is in
// memory while it is made, and so are the buffers of an archive. Files wait for nobody.
const atOnce = 16

// stall is how long a client may take to receive a piece of an answer, and to send a body.
const stall = 2 * time.Minute

// A handler serves a tree.
type handler struct {
	fsys   *unboot.FS
	o      Options
	sum    [sha256.Size]byte
	cookie http.Cookie // what a browser gets for the token
	once   string      // what no other handler has: another image may have been at this address
	stall  time.Duration

	pages, archives slots
}

// New returns what serves a tree, as long as it is mounted. Nothing should change it meanwhile.
func New(fsys *unboot.FS, o Options) http.Handler {
	if o.Token == "" {
		panic("serve: no token")
	}
	h := &handler{fsys: fsys, o: o, sum: sha256.Sum256([]byte(o.Token)), once: rand.Text(), stall: stall, pages: make(slots, atOnce), archives: make(slots, atOnce)}
	// A browser sends a cookie to all ports of a host: servers with other tokens need other
	// names, and none of them is to learn the token.
	mac := hmac.New(sha256.New, []byte(o.Token))
	mac.Write([]byte("unboot serve: cookie"))
	h.cookie = http.Cookie{Name: "unboot-" + hex.EncodeToString(h.sum[:4]), Value: hex.EncodeToString(mac.Sum(nil)), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
	return h
}

// slots are taken by what needs memory.
type slots chan struct{}

// take waits for one.
func (s slots) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slots) free() { <-s }

// A pacedWriter gives up on a client that does not receive for a while. It hides the ReadFrom of
// what it writes to, which would send a file as one piece.
type pacedWriter struct {
	http.ResponseWriter
	stall time.Duration
}

func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// renew starts the time anew. A writer that has no deadlines is one that has no connection.
func (w *pacedWriter) renew() {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(w.stall))
}

// pieceSize is small enough for a slow line to take it in time.
const pieceSize = 64 << 10

func (w *pacedWriter) Write(p []byte) (n int, err error) {
	for {
		piece := p[n:min(len(p), n+pieceSize)]
		w.renew()
		m, err := w.ResponseWriter.Write(piece)
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

func (h *handler) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &pacedWriter{rw, h.stall}
	defer w.renew() // for what is still in buffers
	head := w.Header()
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer") // the address may hold the token
	head.Set("Cache-Control", "private, no-cache")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if r.ContentLength != 0 {
		// Nobody reads a body, but the server skips it, after the answer if that is the last one.
		// A time for all requests (ReadTimeout) would not do: when it has passed, the server
		// takes the client for gone, and breaks off long archives.
		head.Set("Connection", "close")
		_ = http.NewResponseController(rw).SetReadDeadline(time.Now().Add(h.stall))
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		head.Set("Allow", "GET, HEAD")
		http.Error(w, "nothing can be changed here", http.StatusMethodNotAllowed)
		return
	}
	if !h.admit(w, r) {
		return
	}
	if r.ContentLength != 0 {
		http.Error(w, "requests have no body here", http.StatusBadRequest)
		return
	}
	name, ok := treeName(r.URL.Path)
	if !ok {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	st, err := h.fsys.Stat(name)
	if err != nil {
		h.failed(w, name, err)
		return
	}
	slash := strings.HasSuffix(r.URL.Path, "/")
	switch {
	case st.IsDir() && !slash:
		// Links of the page are relative to the directory.
		to := url.URL{Path: r.URL.Path + "/", RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, to.String(), http.StatusMovedPermanently)
	case st.IsDir():
		h.directory(w, r, name)
	case slash:
		http.Error(w, "not a directory", http.StatusNotFound)
	case st.Mode().IsRegular():
		h.file(w, r, name, st)
	default:
		http.Error(w, "neither a file nor a directory", http.StatusForbidden)
	}
}

// admit answers those who do not know the token, and those who have it in the address.
func (h *handler) admit(w http.ResponseWriter, r *http.Request) bool {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && h.known(token) {
		return true
	}
	if q := r.URL.Query(); q.Has("token") && h.known(q.Get("token")) {
		if _, ok := treeName(r.URL.Path); !ok {
			http.Error(w, "no such file", http.StatusNotFound)
			return false
		}
		q.Del("token")
		c := h.cookie
		c.Secure = r.TLS != nil
		http.SetCookie(w, &c)
		to := url.URL{Path: r.URL.Path, RawQuery: q.Encode()}
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
		return false
	}
	if c, err := r.Cookie(h.cookie.Name); err == nil && hmac.Equal([]byte(c.Value), []byte(h.cookie.Value)) {
		return true
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, "a token is needed: open the whole address that the server has printed", http.StatusUnauthorized)
	return false
}

// known compares without telling by its time how much of a token is right.
func (h *handler) known(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], h.sum[:]) == 1
}

// treeName returns what the tree calls a path of an address. Names may have any bytes but a
// slash and NUL, so there is no other rule for them.
func treeName(p string) (string, bool) {
	p, ok := strings.CutPrefix(p, "/")
	if !ok {
		return "", false
	}
	if p = strings.TrimSuffix(p, "/"); p == "" {
		return ".", true
	}
	for e := range strings.SplitSeq(p, "/") {
		if e == "" || e == "." || e == ".." || strings.IndexByte(e, 0) >= 0 {
			return "", false
		}
	}
	return p, true
}

// failed answers with an error.
func (h *handler) failed(w http.ResponseWriter, name string, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.ELOOP):
		// An address can ask for any of these, of which no log is to be filled.
		http.Error(w, "no such file", http.StatusNotFound)
	default:
		h.log(name, err)
		http.Error(w, "it could not be read", http.StatusInternalServerError)
	}
}

func (h *handler) log(name string, err error) {
	if h.o.Log != nil {
		h.o.Log(name, err)
	}
}

// file answers with a regular file.
func (h *handler) file(w http.ResponseWriter, r *http.Request, name string, st fs.FileInfo) {
	f, err := h.fsys.Open(name)
	if err != nil {
		h.failed(w, name, err)
		return
	}
	defer f.Close()
	content := &logged{h: h, name: name, f: f.(io.ReadSeeker)}
	start := make([]byte, 512)
	n, err := io.ReadFull(content.f, start)
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF {
		_, err = content.f.Seek(0, io.SeekStart)
	}
	if err != nil {
		h.failed(w, name, err)
		return
	}
	typ, inline := shownAs(start[:n])
	how := "inline"
	if !inline || r.URL.Query().Has("download") {
		how = "attachment"
	}
	w.Header().Set("Content-Type", typ)
	w.Header().Set("Content-Disposition", disposition(how, path.Base(name)))
	// The time alone does not tell a file from that of another image, of the same name and time.
	w.Header().Set("ETag", fmt.Sprintf(`"%s-%x-%x"`, h.once, st.Size(), st.ModTime().UnixNano()))
	http.ServeContent(w, r, "", st.ModTime(), content)
	if content.err != nil {
		// The length has been promised: the client sees that it was not kept.
		panic(http.ErrAbortHandler)
	}
}

// shownAs returns the type with which a file is sent, by how it starts, and whether a browser
// may show it. What a page or a program could be in, it is told to be text.
func shownAs(start []byte) (typ string, inline bool) {
	typ = http.DetectContentType(start)
	switch base, _, _ := strings.Cut(typ, ";"); base {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp":
		return base, true
	}
	if strings.HasPrefix(typ, "text/") {
		if _, params, _ := strings.Cut(typ, ";"); strings.Contains(params, "utf-16") {
			return "text/plain;" + params, true
		}
		return "text/plain; charset=utf-8", true
	}
	return "application/octet-stream", false
}

// disposition returns the header that names a download.
func disposition(how, name string) string {
	if d := mime.FormatMediaType(how, map[string]string{"filename": name}); d != "" {
		return d
	}
	return how
}

// A logged notes why a file could not be read to its end.
type logged struct {
	h    *handler
	name string
	f    io.ReadSeeker
	err  error
}

func (l *logged) Read(p []byte) (int, error) {
	n, err := l.f.Read(p)
	if err != nil && err != io.EOF {
		l.err = err
		l.h.log(l.name, err)
	}
	return n, err
}

func (l *logged) Seek(off int64, whence int) (int64, error) { return l.f.Seek(off, whence) }
