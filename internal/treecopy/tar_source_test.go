package treecopy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/tarball"
)

func TestMemberPath(t *testing.T) {
	for in, want := range map[string]string{"./a//b/": "a/b", "/etc/x": "etc/x", ".": ".", "./": ".", "a/..b": "a/..b"} {
		if got, err := memberPath(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"..", "a/../b", "/..", strings.Repeat("n", 256), strings.Repeat("n/", 3000)} {
		if got, err := memberPath(in); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}

// The content of an archive's member can be had once.
func TestTarOpenTwice(t *testing.T) {
	var b bytes.Buffer
	w := tarball.NewWriter(&b)
	w.WriteHeader(&tarball.Header{Name: "f", Type: tarball.TypeReg, Size: 3})
	w.Write([]byte("abc"))
	w.Close()
	s := &TarSource{R: tarball.NewReader(&b)}
	h, err := s.R.Next()
	if err != nil {
		t.Fatal(err)
	}
	s.cur = h
	if _, err := s.open(&Item{}); err != nil {
		t.Error(err)
	}
	if _, err := s.open(&Item{}); err == nil {
		t.Error("opened twice")
	}
}
