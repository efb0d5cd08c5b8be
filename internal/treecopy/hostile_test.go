package treecopy

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/tarball"
)

// hostile are archives that want to change "victim", which is beside the directory that
// they are unpacked into, "in". dir is the absolute path of both.
func hostile(dir string) map[string][]member {
	victim := dir + "/victim"
	return map[string][]member{
		"dots":          {{"../victim", '0', "evil"}, {"../../victim", '0', "evil"}, {"a/../../victim", '0', "evil"}},
		"absolute":      {{victim, '0', "evil"}, {"/" + victim, '0', "evil"}},
		"link":          {{"l", '2', ".."}, {"l/victim", '0', "evil"}, {"l/new", '0', "evil"}},
		"absolute link": {{"m", '2', dir}, {"m/victim", '0', "evil"}, {"m/new/", '5', ""}},
		"through name":  {{"n", '2', victim}, {"n", '0', "evil"}},
		"hard link":     {{"h", '1', "../victim"}, {"h", '0', "evil"}, {"i", '1', victim}},
		"hard through":  {{"o", '2', ".."}, {"p", '1', "o/victim"}, {"p", '0', "evil"}},
		"hard to link":  {{"v", '2', victim}, {"w", '1', "v"}, {"w", '0', "evil"}, {"x", '1', "w"}},
		"directory":     {{"q", '2', ".."}, {"q/", '5', ""}, {"q/victim", '0', "evil"}},
		"root":          {{"../", '5', ""}, {".", '2', ".."}},
		"chain":         {{"c", '2', "d"}, {"d", '2', ".."}, {"c/victim", '0', "evil"}},
		"two steps":     {{"s/", '5', ""}, {"s/t", '2', "../.."}, {"s/t/victim", '0', "evil"}, {"u", '2', "s/t"}, {"u/victim", '0', "evil"}},
		"self":          {{"y", '0', "good"}, {"y", '1', "y"}, {"z", '2', "z"}, {"z/x", '0', "evil"}},
		"times":         {{"k", '2', ".."}, {"k/", '5', ""}, {"k/./", '5', ""}},
	}
}

// TestHostileInImage has nothing of an image changed outside of the directory.
func TestHostileInImage(t *testing.T) {
	f := mounted(t, "ext4")
	for name, members := range hostile("/work") {
		if err := f.MkdirAll("work/in", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := f.WriteFile("work/victim", []byte("untouched"), 0o600); err != nil {
			t.Fatal(err)
		}
		before := beside(t, f)
		src := &TarSource{R: tarball.NewReader(bytes.NewReader(archive(t, members)))}
		err := Transfer(t.Context(), src, &ImageSink{FS: f, Dir: "work/in", Report: Report{
			Fail: func(string, error) error { return nil },
		}})
		if after := beside(t, f); after != before || err != nil {
			t.Errorf("%s: %s, not %s (%v)", name, after, before, err)
		}
		if err := f.RemoveAll("work"); err != nil {
			t.Fatal(err)
		}
	}
}

// beside describes all of an image that is not below "work/in".
func beside(t testing.TB, f *unboot.FS) string {
	t.Helper()
	var b strings.Builder
	err := fs.WalkDir(f, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == "work/in":
			return fs.SkipDir
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, p, st.Mode(), st.ModTime(), st.Sys().(*unix.Statx_t).Nlink)
		if st.Mode().IsRegular() {
			data, err := f.ReadFile(p)
			fmt.Fprintln(&b, string(data))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestDirMetadata has what an archive says of a directory last, whatever comes before and
// in between, and however often.
func TestDirMetadata(t *testing.T) {
	var members []member
	for range 5000 {
		members = append(members, member{"./", '5', ""})
	}
	members = append(members, member{"a/b/", '5', ""}, member{"a/b/f", '0', "x"}, member{"a/", '5', ""})
	dir, _ := outside(t)
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	sink := &HostSink{Root: root, Change: func(m *unboot.Metadata) {
		if m.Mode.IsDir() {
			m.Mode = fs.ModeDir | 0o500
		}
	}}
	if err := Transfer(t.Context(), &TarSource{R: tarball.NewReader(bytes.NewReader(archive(t, members)))}, sink); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{".", "a", "a/b"} {
		st, err := os.Stat(filepath.Join(dir, p))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o500 || st.ModTime().Unix() != 0 {
			t.Errorf("%s: %v, %v", p, st.Mode(), st.ModTime())
		}
		defer os.Chmod(filepath.Join(dir, p), 0o700)
	}
}
