package serve

import (
	"bufio"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/unboot/unboot"
)

// maxRows is how many entries of a directory one page has.
const maxRows = 50000

// maxTarget is how many characters of a symbolic link's target are shown.
const maxTarget = 256

// A row is an entry of a directory on a page.
type row struct {
	name string
	link string // of a symbolic link, the start of it
	size int64
	time time.Time
	mode fs.FileMode
	dir  bool // it is one, or a link to one
}

func (r *row) Dir() bool     { return r.dir }
func (r *row) Name() string  { return visible(r.name) }
func (r *row) Link() string  { return visible(r.link) }
func (r *row) Mode() string  { return r.mode.String() }
func (r *row) Time() string  { return r.time.UTC().Format("2006-01-02 15:04:05") }
func (r *row) Plain() bool   { return r.mode.IsRegular() }
func (r *row) Bytes() string { return fmt.Sprint(r.size) }

// Href is relative to the page, so that no name is a scheme or a host.
func (r *row) Href() string {
	h := "./" + url.PathEscape(r.name)
	if r.dir {
		h += "/"
	}
	return h
}

// Size is for people.
func (r *row) Size() string {
	if !r.mode.IsRegular() {
		return ""
	}
	n, unit := float64(r.size), 0
	for n >= 1024 && unit < 6 {
		n, unit = n/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", r.size)
	}
	return fmt.Sprintf("%.1f %ciB", n, " KMGTPE"[unit])
}

// visible returns a name as a page shows it: what is not to be seen, or changes how the rest is
// read, is escaped.
func visible(name string) string {
	var b strings.Builder
	for i, r := range name {
		_, size := utf8.DecodeRuneInString(name[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, name[i])
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cut returns the start of a target, and keeps no more of it in memory.
func cut(target string) string {
	n := 0
	for i := range target {
		if n++; n > maxTarget {
			return strings.Clone(target[:i]) + "…"
		}
	}
	return target
}

// A page is a directory.
type page struct {
	Title    string
	Up       bool
	Rows     []row
	More     bool // there are others
	Sort     string
	Reversed bool
}

// Order returns the link that sorts by a column: the other way round if it is sorted by that.
func (p *page) Order(column string) string {
	if p.Sort == column && !p.Reversed {
		return "?sort=" + column + "&order=desc"
	}
	return "?sort=" + column
}

// Arrow shows how a column is sorted.
func (p *page) Arrow(column string) string {
	switch {
	case p.Sort != column:
		return ""
	case p.Reversed:
		return " ↓"
	}
	return " ↑"
}

//go:embed page.html
var pageText string

// pageTemplate is parsed when the first page is made: programs have this package that serve
// nothing, and start often.
var pageTemplate = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(pageText)) })

// directory answers with a page, or an archive.
func (h *handler) directory(w http.ResponseWriter, r *http.Request, name string) {
	q := r.URL.Query()
	switch format := q.Get("archive"); format {
	case "":
	case "tar", "zip":
		h.archive(w, r, name, format)
		return
	default:
		http.Error(w, "archives are tar or zip", http.StatusBadRequest)
		return
	}
	p := &page{Title: cmp.Or(h.o.Title, "/"), Up: name != ".", Sort: q.Get("sort"), Reversed: q.Get("order") == "desc"}
	if name != "." {
		p.Title = visible("/" + name)
	}
	if p.Sort != "size" && p.Sort != "time" {
		p.Sort = "name"
	}
	err := h.pages.take(r.Context())
	if err != nil {
		return
	}
	defer h.pages.free()
	if p.Rows, p.More, err = h.rows(r.Context(), name); err != nil {
		h.failed(w, name, err)
		return
	}
	p.sort()
	// The style is the page's own; nothing else is loaded, and nothing runs.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if r.Method == http.MethodHead {
		return
	}
	b := bufio.NewWriterSize(w, 64<<10)
	if pageTemplate().Execute(b, p) == nil {
		b.Flush()
	}
}

// rows returns the entries of a directory.
func (h *handler) rows(ctx context.Context, name string) (rows []row, more bool, err error) {
	for e, err := range h.fsys.Entries(name, &unboot.WalkOptions{Links: true}) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, false, err
		}
		if len(rows) == maxRows {
			return rows, true, nil
		}
		r := row{name: e.Name(), link: cut(e.Link), mode: e.Mode(), dir: e.IsDir()}
		if e.Err == nil {
			r.size, r.time = e.Size(), e.ModTime()
		}
		if r.mode.Type() == fs.ModeSymlink {
			// A link to a directory is one to a page.
			st, err := h.fsys.Stat(path.Join(name, e.Name()))
			r.dir = err == nil && st.IsDir()
		}
		rows = append(rows, r)
	}
	return rows, false, nil
}

// sort sorts the rows: directories come first, and names decide between equals.
func (p *page) sort() {
	slices.SortFunc(p.Rows, func(a, b row) int {
		if a.dir != b.dir {
			if a.dir {
				return -1
			}
			return 1
		}
		n := 0
		switch p.Sort {
		case "size":
			n = cmp.Compare(a.size, b.size)
		case "time":
			n = a.time.Compare(b.time)
		}
		n = cmp.Or(n, cmp.Compare(a.name, b.name))
		if p.Reversed {
			return -n
		}
		return n
	})
}
