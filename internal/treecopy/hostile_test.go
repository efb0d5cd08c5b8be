package treecopy

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/tarball"
)

// member is one of an archive that Go's own package writes.
type member struct {
	name     string
	typ      byte
	link     string
	contents string
}

func makeArchive(t testing.TB, members []member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.typ, Linkname: m.link, Size: int64(len(m.contents)), Mode: 0o777}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.contents)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hostile are archives that want to change "victim", which is beside the directory that
// they are unpacked into, "in". dir is the absolute path of both.
func hostile(dir string) map[string][]member {
	victim := dir + "/victim"
	return map[string][]member{
		"dots":          {{"../victim", '0', "", "evil"}, {"../../victim", '0', "", "evil"}, {"a/../../victim", '0', "", "evil"}},
		"absolute":      {{victim, '0', "", "evil"}, {"/" + victim, '0', "", "evil"}},
		"link":          {{"l", '2', "..", ""}, {"l/victim", '0', "", "evil"}, {"l/new", '0', "", "evil"}},
		"absolute link": {{"m", '2', dir, ""}, {"m/victim", '0', "", "evil"}, {"m/new/", '5', "", ""}},
		"through name":  {{"n", '2', victim, ""}, {"n", '0', "", "evil"}},
		"hard link":     {{"h", '1', "../victim", ""}, {"h", '0', "", "evil"}, {"i", '1', victim, ""}},
		"hard through":  {{"o", '2', "..", ""}, {"p", '1', "o/victim", ""}, {"p", '0', "", "evil"}},
		"hard to link":  {{"v", '2', victim, ""}, {"w", '1', "v", ""}, {"w", '0', "", "evil"}, {"x", '1', "w", ""}},
		"directory":     {{"q", '2', "..", ""}, {"q/", '5', "", ""}, {"q/victim", '0', "", "evil"}},
		"root":          {{"../", '5', "", ""}, {".", '2', "..", ""}},
		"chain":         {{"c", '2', "d", ""}, {"d", '2', "..", ""}, {"c/victim", '0', "", "evil"}},
		"two steps":     {{"s/", '5', "", ""}, {"s/t", '2', "../..", ""}, {"s/t/victim", '0', "", "evil"}, {"u", '2', "s/t", ""}, {"u/victim", '0', "", "evil"}},
		"self":          {{"y", '0', "", "good"}, {"y", '1', "y", ""}, {"z", '2', "z", ""}, {"z/x", '0', "", "evil"}},
		"times":         {{"k", '2', "..", ""}, {"k/", '5', "", ""}, {"k/./", '5', "", ""}},
	}
}

// TestHostileArchive has nothing outside of the directory changed, on the host and in an
// image.
func TestHostileArchive(t *testing.T) {
	keepOn := Report{Fail: func(string, error) error { return nil }}
	t.Run("host", func(t *testing.T) {
		for name, members := range hostileIn(t) {
			dir := members.dir
			before := outside(t, os.DirFS(dir))
			root, err := os.Open(dir + "/in")
			if err != nil {
				t.Fatal(err)
			}
			err = Transfer(t.Context(), source(members.archive), &HostSink{Root: root, Chown: os.Geteuid() == 0, Report: keepOn})
			root.Close()
			if after := outside(t, os.DirFS(dir)); after != before {
				t.Errorf("%s: %s, not %s (%v)", name, after, before, err)
			}
		}
	})
	t.Run("image", func(t *testing.T) {
		f := mounted(t, "ext4")
		for name, members := range hostile("/work") {
			if err := f.MkdirAll("work/in", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := f.WriteFile("work/victim", []byte("untouched"), 0o600); err != nil {
				t.Fatal(err)
			}
			sub, err := f.Sub("work")
			if err != nil {
				t.Fatal(err)
			}
			before := outside(t, sub)
			err = Transfer(t.Context(), source(makeArchive(t, members)), &ImageSink{FS: f, Dir: "work/in", Report: keepOn})
			if after := outside(t, sub); after != before || err != nil {
				t.Errorf("%s: %s, not %s (%v)", name, after, before, err)
			}
			if err := f.RemoveAll("work"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

type hostileArchive struct {
	dir     string
	archive []byte
}

// hostileIn returns the archives, each with a directory of its own on the host.
func hostileIn(t *testing.T) map[string]hostileArchive {
	t.Helper()
	all := map[string]hostileArchive{}
	for name := range hostile("") {
		dir := hostDir(t)
		all[name] = hostileArchive{dir, makeArchive(t, hostile(dir)[name])}
	}
	return all
}

// hostDir returns a directory with the victim and the directory to unpack into.
func hostDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "in"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "victim"), []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func source(archive []byte) *TarSource {
	return &TarSource{R: tarball.NewReader(bytes.NewReader(archive))}
}

// outside describes all that is not below "in".
func outside(t testing.TB, fsys fs.FS) string {
	t.Helper()
	var b bytes.Buffer
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == "in" {
			return fs.SkipDir
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(p + " " + st.Mode().String())
		if st.Mode().IsRegular() {
			data, err := fs.ReadFile(fsys, p)
			if err != nil {
				return err
			}
			b.WriteString(" " + string(data))
			switch sys := st.Sys().(type) {
			case *unix.Statx_t:
				b.WriteString(" links " + string('0'+rune(sys.Nlink)))
			}
		}
		b.WriteString(" " + st.ModTime().String() + "\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// FuzzTarToHost unpacks any archive into a directory of the host. It must end, and leave
// everything outside alone.
func FuzzTarToHost(f *testing.F) {
	for _, members := range hostile("/nowhere") {
		f.Add(makeArchive(f, members))
	}
	f.Add(makeArchive(f, []member{{"a/", '5', "", ""}, {"a/b", '0', "", "x"}, {"c", '2', "a", ""}, {"d", '1', "a/b", ""}, {"e/f/g", '0', "", ""}}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<16 {
			t.Skip()
		}
		dir := hostDir(t)
		before := outside(t, os.DirFS(dir))
		root, err := os.Open(filepath.Join(dir, "in"))
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		Transfer(t.Context(), source(b), &HostSink{
			Root: root, NoDevices: true, Report: Report{Fail: func(string, error) error { return nil }},
		})
		if after := outside(t, os.DirFS(dir)); after != before {
			t.Errorf("%s, not %s", after, before)
		}
		// Modes of the archive must not keep the test from cleaning up.
		filepath.WalkDir(dir, func(p string, d fs.DirEntry, _ error) error {
			if d.IsDir() {
				os.Chmod(p, 0o700)
			}
			return nil
		})
	})
}

// TestDirMetadata has what an archive says of a directory last, whatever comes before and
// in between, and however often.
func TestDirMetadata(t *testing.T) {
	var members []member
	for range 5000 {
		members = append(members, member{name: "./", typ: '5'})
	}
	members = append(members, member{"a/b/", '5', "", ""}, member{"a/b/f", '0', "", "x"}, member{"a/", '5', "", ""})
	dir := hostDir(t)
	root, err := os.Open(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	sink := &HostSink{Root: root, Change: func(m *unboot.Metadata) {
		if m.Mode.IsDir() {
			m.Mode = fs.ModeDir | 0o500
		}
	}}
	if err := Transfer(t.Context(), source(makeArchive(t, members)), sink); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{".", "a", "a/b"} {
		st, err := os.Stat(filepath.Join(dir, "in", p))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o500 || st.ModTime().Unix() != 0 {
			t.Errorf("%s: %v, %v", p, st.Mode(), st.ModTime())
		}
		defer os.Chmod(filepath.Join(dir, "in", p), 0o700)
	}
	var l later[int]
	for i := range 1 << 16 {
		l.add([]string{"a", "b", "a/c"}[i%3], i)
		if len(l.list) > 1024 {
			t.Fatalf("%d directories are remembered, of 3", len(l.list))
		}
	}
	if got := l.take(); len(got) != 3 || got[0].path != "b" || got[1].path != "a/c" || got[2] != (laterDir[int]{"a", 1<<16 - 1}) {
		t.Error(got)
	}
}
