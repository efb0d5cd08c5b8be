package serve

import (
	"strings"
	"testing"
	"unicode"
)

// FuzzNames: no address leads out of the tree, and no name is shown that changes a page.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"/", "/a/b/", "/../x", "//x", "/a/./b", "/\x00", "\xff\u202e", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if name, ok := treeName(p); ok && name != "." {
			for e := range strings.SplitSeq(name, "/") {
				if e == "" || e == "." || e == ".." || strings.ContainsRune(e, 0) {
					t.Errorf("%q is %q", p, name)
				}
			}
		}
		for _, r := range visible(p) {
			if !unicode.IsPrint(r) {
				t.Errorf("%q is shown as %q", p, visible(p))
			}
		}
	})
}
