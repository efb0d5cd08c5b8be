package api

import (
	"archive/tar"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const upstreamSource = "https://deb.debian.org/debian/pool/main/libg/libguestfs/libguestfs_1.48.6.orig.tar.gz"

// TestUpstream compares numbers and layouts with the protocol's own description in the
// sources of libguestfs, which is fetched once.
func TestUpstream(t *testing.T) {
	text := upstreamProtocol(t)
	numbers := map[string]string{}
	for _, m := range regexp.MustCompile(`GUESTFS_PROC_(\w+) = (\d+)`).FindAllStringSubmatch(text, -1) {
		numbers[m[1]] = m[2]
	}
	structs := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)struct guestfs_(?:int_)?(\w+) \{\n(.*?)\n\};`).FindAllStringSubmatch(text, -1) {
		structs[m[1]] = m[2]
	}
	a := load(t)
	n := 0
	for _, f := range a.Procedures {
		if f.Number > 510 {
			continue
		}
		n++
		if got := numbers[strings.ToUpper(f.Name)]; got != fmt.Sprint(f.Number) {
			t.Errorf("%s is %d, there %q", f.Name, f.Number, got)
		}
		var want []string
		for _, p := range append(f.Arguments(), f.Options...) {
			want = append(want, declaration(p.Name, p.Type))
		}
		compare(t, f.Name+"_args", structs[f.Name+"_args"], want)
		compareResult(t, f, structs[f.Name+"_ret"])
	}
	if n != len(numbers) {
		t.Errorf("%d procedures, there %d", n, len(numbers))
	}
	for _, s := range a.Structs {
		var want []string
		for _, f := range s.Fields {
			want = append(want, declaration(f.Name, Type{Kind: f.Kind}))
		}
		compare(t, s.Name, structs[s.Name], want)
	}
}

// upstreamProtocol returns the text of guestfs_protocol.x.
func upstreamProtocol(t *testing.T) string {
	if testing.Short() {
		t.Skip("fetches 19 MB")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	name := filepath.Join(cache, "unboot", "libguestfs-1.48.6-protocol.x")
	if b, err := os.ReadFile(name); err == nil {
		return string(b)
	}
	client := http.Client{Timeout: 2 * time.Minute}
	resp, err := client.Get(upstreamSource)
	if err != nil {
		t.Skip("cannot fetch the sources: ", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Skip("cannot fetch the sources: ", resp.Status)
	}
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Skip(err)
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if err != nil {
			t.Skip("sources: ", err)
		}
		if path.Base(h.Name) == "guestfs_protocol.x" {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Skip("sources: ", err)
			}
			if os.MkdirAll(filepath.Dir(name), 0o755) == nil {
				os.WriteFile(name, b, 0o644)
			}
			return string(b)
		}
	}
}

// declaration returns how rpcgen's language declares a field, without sizes.
func declaration(name string, t Type) string {
	switch {
	case t.List:
		return "guestfs_str " + name + "<>"
	case t.Kind.Text():
		return "string " + name + "<>"
	}
	switch t.Kind {
	case OptString:
		return "guestfs_str *" + name
	case Buffer:
		return "opaque " + name + "<>"
	case Int64, Uint64: // the same on the wire
		return "int64_t " + name
	case Uint32:
		return "uint32_t " + name
	case Bool:
		return "bool " + name
	case Int, Int32:
		return "int " + name
	case Char:
		return "char " + name
	case Percent:
		return "float " + name
	case UUID:
		return "opaque " + name + "[32]"
	}
	return "?"
}

var (
	sizes  = regexp.MustCompile(`<\w+>`)
	spaces = regexp.MustCompile(`\s+`)
)

func compare(t *testing.T, what, there string, want []string) {
	t.Helper()
	var got []string
	for line := range strings.SplitSeq(there, "\n") {
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		if line != "" {
			line = strings.ReplaceAll(line, "unsigned hyper", "int64_t")
			line = strings.ReplaceAll(line, "unsigned int", "uint32_t")
			line = strings.ReplaceAll(line, "hyper", "int64_t")
			line = strings.ReplaceAll(line, "uint64_t", "int64_t")
			got = append(got, spaces.ReplaceAllString(sizes.ReplaceAllString(line, "<>"), " "))
		}
	}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("%s:\nhere  %s\nthere %s", what, strings.Join(want, "; "), strings.Join(got, "; "))
	}
}

func compareResult(t *testing.T, f *Function, there string) {
	t.Helper()
	typ, _, _ := strings.Cut(strings.TrimSpace(there), " ")
	var want string
	switch r := f.Result; {
	case r.Kind == None:
	case r.Kind == Structure && r.List:
		want = "guestfs_int_" + r.Struct.Name + "_list"
	case r.Kind == Structure:
		want = "guestfs_int_" + r.Struct.Name
	case r.List, r.Kind == Hashtable:
		want = "guestfs_str"
	case r.Kind == OptString:
		want = "guestfs_str"
	case r.Kind == Int64:
		want = "int64_t"
	case r.Kind == Buffer:
		want = "opaque"
	default:
		want = string(r.Kind)
	}
	if typ == "hyper" {
		typ = "int64_t"
	}
	if typ != want {
		t.Errorf("%s returns %q, there %q", f.Name, want, there)
	}
}
