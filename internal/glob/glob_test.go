package glob

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestBraces(t *testing.T) {
	for pattern, want := range map[string]string{
		"/a": "/a", "/{a,b}c": "/ac /bc", "/{a,{b,c}}": "/a /b /c", "/{}": "/{}", "/{a": "/{a", "/{a,b}{1,2}": "/a1 /a2 /b1 /b2",
	} {
		if got := strings.Join(Braces(pattern), " "); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
	if n := len(Braces(strings.Repeat("{a,b}", 100))); n > 2*maxBraces {
		t.Errorf("%d patterns", n)
	}
}

// host is a directory of the host as a tree.
type host string

func (h host) Exists(name string) bool {
	_, err := os.Lstat(filepath.Join(string(h), name))
	return err == nil
}

func (h host) IsDir(name string) bool {
	st, err := os.Stat(filepath.Join(string(h), name))
	return err == nil && st.IsDir()
}

func (h host) Names(dir string) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(string(h), dir))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// TestFind compares with the glob of the standard library, and with what glob(7) says where
// that has no like.
func TestFind(t *testing.T) {
	h := host(t.TempDir())
	for _, name := range []string{"a/x.conf", "a/y.conf", "a/.hidden", "b/x.conf", "b/c/deep.conf", "file", "[x"} {
		p := filepath.Join(string(h), name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("nowhere", filepath.Join(string(h), "dangling")), os.Symlink("a", filepath.Join(string(h), "link"))); err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) []string {
		got, err := Find(t.Context(), h, pattern)
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		return got
	}
	for _, pattern := range []string{"/*/x.conf", "/a/?.conf", "/*/*/*", "/a/.h*", "/none", "/none/*", "/file/*", "/dang*", "/dangling", `/\[x`, "/[a-b]/x*"} {
		want, err := filepath.Glob(string(h) + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			want[i] = strings.TrimPrefix(want[i], string(h))
		}
		if got := find(pattern); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
	for pattern, want := range map[string]string{
		"/*": "/[x /a /b /dangling /file /link", "/a/*": "/a/x.conf /a/y.conf", "/*/": "/a/ /b/ /link/", "/[!a]": "/b", "//a//x*": "/a/x.conf", "/[": "",
	} {
		if got := strings.Join(find(pattern), " "); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Find(ctx, h, "/*"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzGlob(f *testing.F) {
	f.Add("/{a,b}*")
	h := host(f.TempDir())
	os.WriteFile(filepath.Join(string(h), "a"), nil, 0o644)
	f.Fuzz(func(t *testing.T, pattern string) {
		pattern = pattern[:min(len(pattern), 256)]
		for _, p := range Braces(pattern)[:1] {
			if paths, _ := Find(t.Context(), h, "/"+p); len(paths) > 2 {
				t.Errorf("%q: %q", pattern, paths)
			}
		}
	})
}
