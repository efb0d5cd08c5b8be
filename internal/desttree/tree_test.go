package desttree

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

func mounted(t *testing.T, fstype string) *unboot.FS {
	t.Helper()
	if k, err := lkl.Boot(t.Context(), nil); errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err == nil {
		k.Kill()
	}
	img, err := unboot.Open(context.Background(), testimg.Writable(t, testimg.FS(t, fstype, testimg.Options{})), unboot.Writable())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Links that were there lead where the image has them, those of the run stay in the
// tree.
func TestDir(t *testing.T) {
	f := mounted(t, "ext4")
	for _, dir := range []string{"srv/dest/etc", "srv/dest/real/sub", "etc", "var/www", "run"} {
		if err := f.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.WriteFile("srv/dest/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	link := func(at, to string) {
		t.Helper()
		if err := f.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	link("srv/dest/www", "/var/www")
	link("srv/dest/up", "../../run")
	link("srv/dest/loop", "loop")
	link("srv/dest/none", "/nowhere")
	link("srv/dest/tofile", "file")
	tree := New(f, "srv/dest", NewNames(f, func(rel string) string { return rel }))
	top, err := tree.Dir(".", false)
	if err != nil || top.Path != "srv/dest" || top.Fresh || top.Folds {
		t.Fatal(top, err)
	}
	for name, to := range map[string]string{
		"abs": "/etc", "dots": "../../etc", "climb": "real/../../../etc", "out": "www/../../etc", "chain": "abs",
		"good": "real/sub", "through": "www", "self": "/",
	} {
		link("srv/dest/"+name, to)
		if err := tree.Wrote(top, "srv/dest/"+name, name, to); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		rel, want string
		err       error
	}{
		{"www", "var/www", nil},
		{"www/x/y", "var/www/x/y", nil},
		{"up", "run", nil},
		{"abs", "srv/dest/etc", nil},
		{"dots/new", "srv/dest/etc/new", nil},
		{"climb", "srv/dest/etc", nil},
		{"chain", "srv/dest/etc", nil},
		{"self/etc", "srv/dest/etc", nil},
		{"good/deep", "srv/dest/real/sub/deep", nil},
		{"through", "var/www", nil}, // as "www" itself
		{"new/a/b", "srv/dest/new/a/b", nil},
		{"out", "", errLeaves},
		{"out/x", "", errLeaves},
		{"loop", "", unix.ELOOP},
		{"none/x", "", unix.ENOTDIR},
		{"tofile/x", "", unix.ENOTDIR},
		{"file/x", "", unix.ENOTDIR},
	} {
		d, err := tree.Dir(c.rel, true)
		if !errors.Is(err, c.err) || err == nil && d.Path != c.want {
			t.Errorf("%s: %+v, %v, want %s, %v", c.rel, d, err, c.want, c.err)
		}
	}
	if d, err := tree.Dir("new/a", false); err != nil || !d.Fresh {
		t.Error(d, err)
	}
	if _, err := tree.Dir("missing", false); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if !tree.Used("srv/dest/new") || !tree.Used("srv/dest/www") || tree.Used("etc") {
		t.Error("what was used is not known")
	}
}

// Names that have a key and are one on a FAT have the same.
func TestFoldKey(t *testing.T) {
	for _, c := range []struct {
		a, b       string
		same, sure bool
	}{
		{"d/Makefile", "d/makefile", true, true},
		{"D/a", "d/a", false, true},
		{"a", "b", false, true},
		{"é", "É", true, false},
		{"straße", "STRAẞE", true, false},
		{"日本", "日本", true, false},
		{"жук", "ЖУК", true, false},
	} {
		x, sure, ok := foldKey(c.a)
		y, _, ok2 := foldKey(c.b)
		if !ok || !ok2 || sure != c.sure || (x == y) != c.same {
			t.Errorf("%s, %s: %q, %q, %v, %v, %v", c.a, c.b, x, y, sure, ok, ok2)
		}
	}
	for _, odd := range []string{"LONG-N~1.TXT", "dot.", "\u212a", "\u2126", "\u00b5", "\u017f", "\u0130", "\u0131", "\u01c5", "\xff"} {
		if key, _, ok := foldKey(odd); ok {
			t.Errorf("%q: %q", odd, key)
		}
	}
}

// Which names are one, a FAT decides.
func TestNames(t *testing.T) {
	for _, fstype := range []string{"fat32", "exfat"} {
		t.Run(fstype, func(t *testing.T) {
			f := mounted(t, fstype)
			if err := f.WriteFile("OLD", nil, 0o644); err != nil {
				t.Fatal(err)
			}
			tree := New(f, ".", NewNames(f, func(rel string) string { return rel }))
			tree.Fail = func(rel string, err error) { t.Errorf("%s: %v", rel, err) }
			for _, c := range []struct {
				name  string
				clash bool
			}{
				{"Makefile", false}, {"makefile", true}, {"Makefile", false}, {"makefilf", false},
				{"old", false}, {"OLD", true},
				{"dots..", false}, {"dots", true}, {"Dots.", true},
				{"é", false}, {"É", true}, {"e", false},
				{"plain", false}, {"PLAIN", true},
				{"sub/a", false}, {"sub/A", true}, {"sub/b", false},
			} {
				d, err := tree.Dir(path.Dir(c.name), true)
				if err != nil {
					t.Fatal(err)
				}
				p := c.name
				_, err = tree.Place(d, p, c.name, false)
				if errors.Is(err, fs.ErrExist) != c.clash {
					t.Errorf("%s: %v", c.name, err)
				}
				if err != nil {
					continue
				}
				f.Remove(p)
				if err := f.WriteFile(p, nil, 0o644); err != nil {
					t.Fatal(err)
				}
				if err := tree.Wrote(d, p, c.name, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
