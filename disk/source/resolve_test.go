package source_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct{ image, name, want string }{
		{"/a/b", "c", "/a/c"},
		{"/a/b", "/c", "/c"},
		{"/a/b", "../c", "/a/../c"},
		{"b", "c", "c"},
		{"d/b", "c/e", "d/c/e"},
		{"/a/b", "", ""},
		{"/a/b", "nbd:unix:/x", ""},
		{"/a/b", "json:{}", ""},
		{"/a/b", "file:/x/y", "/x/y"},
		{"/a/b", "file:y", "y"},
		{"/a/b", "file:", ""},
		{"/a/b", "./c:d", "/a/./c:d"},
		{"/a:x/b", "c", "/a:x/c"},
		{"/a/b", "/c\x00d", ""},
		{"/a/b", "c\nd", "/a/c\nd"},
	} {
		if got := source.Resolve(c.image, c.name); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.image, c.name, got, c.want)
		}
	}
}

// Qemu agrees about relative names.
func TestResolveQemu(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"base", "sub/../base", "../x/base", "./a:b", dir + "/base"} {
		image := filepath.Join(dir, "image")
		testimg.MustRun(t, "qemu-img", "create", "-q", "-u", "-f", "qcow2", "-b", name, "-F", "raw", image, "1M")
		out := testimg.MustRun(t, "qemu-img", "info", "-U", image)
		got := source.Resolve(image, name)
		if name != got && !strings.Contains(out, "backing file: "+name+" (actual path: "+got+")") || name == got && !strings.Contains(out, "backing file: "+name) {
			t.Errorf("%q: %q, and\n%s", name, got, out)
		}
	}
}
