package treecopy

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/tarball"
)

// member is one of an archive: name, type, link or content.
type member struct {
	name string
	typ  byte
	text string
}

func archive(t testing.TB, members []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.typ, Mode: 0o4777}
		if m.typ == tar.TypeReg {
			h.Size = int64(len(m.text))
		} else {
			h.Linkname = m.text
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if m.typ == tar.TypeReg {
			if _, err := io.WriteString(w, m.text); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack unpacks an archive as far as it goes, and does not stop at bad members.
func unpack(t testing.TB, r io.Reader, dir string) error {
	t.Helper()
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	sink := &HostSink{Root: root, NoDevices: true, Report: Report{Fail: func(string, error) error { return nil }}}
	return Transfer(context.Background(), &TarSource{R: tarball.NewReader(r)}, sink)
}

// outside makes a directory with a file that must not be touched and an empty directory
// to unpack into, and returns a check that nothing beside the latter has changed.
func outside(t testing.TB) (out string, check func(what string)) {
	t.Helper()
	dir := t.TempDir()
	out = filepath.Join(dir, "out")
	victim := filepath.Join(dir, "victim")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(victim, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	return out, func(what string) {
		t.Helper()
		if b, err := os.ReadFile(victim); err != nil || string(b) != "untouched" {
			t.Errorf("%s: the file outside: %q, %v", what, b, err)
		}
		if st, err := os.Lstat(victim); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: the file outside: %v, %v", what, st.Mode(), err)
		}
		if l, err := os.ReadDir(dir); err != nil || len(l) != 2 {
			t.Errorf("%s: beside the destination: %v, %v", what, l, err)
		}
	}
}

// Nothing outside the destination is touched, whatever members are called and wherever
// links point, and the members that are harmless are there.
func TestHostileArchive(t *testing.T) {
	for name, members := range map[string][]member{
		"dots":           {{"../victim", '0', "evil"}, {"../../victim", '0', "evil"}, {"a/../../victim", '0', "evil"}},
		"link":           {{"l", '2', ".."}, {"l/victim", '0', "evil"}},
		"link to a file": {{"n", '2', "../victim"}, {"n", '0', "evil"}},
		"chain of links": {{"a", '2', "."}, {"a/b", '2', ".."}, {"b/victim", '0', "evil"}},
		"hard link":      {{"h", '1', "../victim"}, {"h", '0', "evil"}},
		"hard through":   {{"o", '2', ".."}, {"p", '1', "o/victim"}, {"p", '0', "evil"}},
		"directory":      {{"q", '2', ".."}, {"q/", '5', ""}, {"q/victim", '0', "evil"}},
		"root":           {{"../", '5', ""}, {".", '2', ".."}},
	} {
		t.Run(name, func(t *testing.T) {
			out, check := outside(t)
			err := unpack(t, bytes.NewReader(archive(t, append(members, member{"d/good", '0', "here"}))), out)
			if err != nil {
				t.Error(err)
			}
			check(name)
			if b, err := os.ReadFile(filepath.Join(out, "d/good")); err != nil || string(b) != "here" {
				t.Errorf("a harmless member: %q, %v", b, err)
			}
			st, err := os.Stat(filepath.Join(out, "d/good"))
			if err == nil && st.Mode()&os.ModeSetuid != 0 {
				t.Error("without owners, a file must not be setuid")
			}
		})
	}
	t.Run("absolute", func(t *testing.T) {
		out, check := outside(t)
		victim := filepath.Join(filepath.Dir(out), "victim")
		if err := unpack(t, bytes.NewReader(archive(t, []member{{victim, '0', "evil"}})), out); err != nil {
			t.Error(err)
		}
		check("absolute")
		if b, err := os.ReadFile(filepath.Join(out, victim)); err != nil || string(b) != "evil" {
			t.Errorf("below the destination: %q, %v", b, err)
		}
	})
}

// FuzzUnpack unpacks any archive: it ends, and leaves everything outside alone.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, []member{{"a/", '5', ""}, {"a/b", '0', "x"}, {"c", '2', "a"}, {"d", '1', "a/b"}}))
	f.Add(archive(f, []member{{"../x", '0', "x"}, {".", '5', ""}, {"l", '2', ".."}, {"l/x", '0', "x"}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			t.Skip()
		}
		out, check := outside(t)
		unpack(t, bytes.NewReader(b), out)
		check("fuzz")
	})
}

// A directory that an archive has twice keeps the metadata of the last, each comes after
// those in it, and an archive that repeats one without end does not fill the memory.
func TestLater(t *testing.T) {
	var l later[int]
	for i := range 100_000 {
		l.add("a", i)
		l.add("a/b", -i)
	}
	if len(l.list) > 2048 {
		t.Errorf("%d directories are remembered for two", len(l.list))
	}
	l.add("gone/x", 1)
	l.add("gone", 1)
	l.drop(func(p string) bool { return strings.HasPrefix(p, "gone") })
	want := []laterDir[int]{{"a/b", -99_999}, {"a", 99_999}}
	if got := l.take(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := l.take(); len(got) != 0 {
		t.Errorf("%v is left", got)
	}
}
