package augeas

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/testimg"
)

// dirGuest is a directory of the host as a guest.
type dirGuest struct {
	root      string
	unmounted bool
}

func (g *dirGuest) Mounted() bool { return !g.unmounted }
func (g *dirGuest) Perm() uint32  { return 0o640 }

func (g *dirGuest) Glob(_ context.Context, pattern string) ([]string, error) {
	found, err := filepath.Glob(g.root + strings.TrimSuffix(pattern, "/"))
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], g.root)
		if strings.HasSuffix(pattern, "/") {
			found[i] += "/"
		}
	}
	return found, err
}

func (g *dirGuest) Open(name string, flags int, perm uint32) (File, error) {
	fd, err := unix.Open(g.root+name, flags|unix.O_CLOEXEC, perm)
	if err != nil {
		return nil, err
	}
	return dirFile{os.NewFile(uintptr(fd), name)}, nil
}

func (g *dirGuest) statx(name string, flags int) (st unix.Statx_t, err error) {
	err = unix.Statx(unix.AT_FDCWD, g.root+name, flags, unix.STATX_BASIC_STATS, &st)
	return st, err
}

func (g *dirGuest) Stat(name string) (unix.Statx_t, error) { return g.statx(name, 0) }
func (g *dirGuest) Lstat(name string) (unix.Statx_t, error) {
	return g.statx(name, unix.AT_SYMLINK_NOFOLLOW)
}
func (g *dirGuest) Remove(name string) error { return unix.Unlink(g.root + name) }
func (g *dirGuest) Realpath(name string) (string, error) {
	real, err := filepath.EvalSymlinks(g.root + name)
	return strings.TrimPrefix(real, g.root), err
}

type dirFile struct{ *os.File }

func (f dirFile) Chmod(mode uint32) error { return unix.Fchmod(int(f.Fd()), mode) }

func (f dirFile) Stat() (st unix.Statx_t, err error) {
	err = unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &st)
	return st, err
}

// guestOf makes a guest of files by their paths.
func guestOf(t *testing.T, files map[string]string) *dirGuest {
	t.Helper()
	testimg.Need(t, Tools...)
	g := &dirGuest{root: t.TempDir()}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Join(g.root, path.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(g.root+name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func open(t *testing.T, g Guest, flags int) *Handle {
	t.Helper()
	h, err := New(t.Context(), g, "/", flags, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h
}

func (g *dirGuest) content(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(g.root + name)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

// TestEdit edits a file, of which Augeas keeps the old version too, and removes another.
func TestEdit(t *testing.T) {
	const backup = 1
	ctx := t.Context()
	g := guestOf(t, map[string]string{"/etc/hosts": "127.0.0.1 localhost\n", "/etc/host.conf": "multi on\n"})
	if err := os.Chmod(g.root+"/etc/hosts", 0o604); err != nil {
		t.Fatal(err)
	}
	h := open(t, g, backup)
	if v, err := h.Get(ctx, "/files/etc/hosts/1/canonical"); v != "localhost" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if _, err := h.Get(ctx, "/files/etc/hosts/2"); err != ErrNoNode {
		t.Error(err)
	}
	if _, err := h.Get(ctx, "/files/etc/hosts/1"); err != ErrNoValue {
		t.Error(err)
	}
	n, err := h.Defvar(ctx, "h", "/files/etc/hosts/1")
	if n != 1 || err != nil {
		t.Error(n, err)
	}
	if err := h.Set(ctx, "$h/alias", "lo"); err != nil {
		t.Error(err)
	}
	if err := h.Undefvar(ctx, "h"); err != nil {
		t.Error(err)
	}
	var said *Error
	if err := h.Set(ctx, "$h/alias", "lo"); !errors.As(err, &said) || said.Minor != "undefined variable" {
		t.Error(err)
	}
	if paths, err := h.Ls(ctx, "/files/etc/hosts/1"); err != nil || !slices.Equal(paths, []string{"/files/etc/hosts/1/alias", "/files/etc/hosts/1/canonical", "/files/etc/hosts/1/ipaddr"}) {
		t.Errorf("%q, %v", paths, err)
	}
	if _, err := h.Ls(ctx, "/files/"); err != ErrPattern {
		t.Error(err)
	}
	if n, err := h.Rm(ctx, "/files/etc/host.conf"); n != 2 || err != nil {
		t.Error(n, err)
	}
	if err := h.Save(ctx); err != nil {
		t.Error(err)
	}
	if got := g.content(t, "/etc/hosts"); got != "127.0.0.1 localhost lo\n" {
		t.Errorf("%q", got)
	}
	if got := g.content(t, "/etc/hosts.augsave"); got != "127.0.0.1 localhost\n" {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"/etc/hosts", "/etc/hosts.augsave"} {
		if st, err := g.Stat(name); err != nil || st.Mode&0o777 != 0o604 {
			t.Errorf("%s: %#o, %v", name, st.Mode, err)
		}
	}
	if _, err := g.Lstat("/etc/host.conf"); err != unix.ENOENT {
		t.Errorf("a file whose tree was removed: %v", err)
	}
}

// TestSetm counts what setm changes and makes.
func TestSetm(t *testing.T) {
	ctx := t.Context()
	h := open(t, guestOf(t, nil), NoLoad)
	for _, name := range []string{"/n[1]/a", "/n[2]/b", "/n[3]/a"} {
		if err := h.Set(ctx, name, "0"); err != nil {
			t.Fatal(err)
		}
	}
	sub := "a"
	if n, err := h.Setm(ctx, "/n", &sub, "1"); n != 3 || err != nil {
		t.Error(n, err)
	}
	if n, err := h.Setm(ctx, "/n/a", nil, "2"); n != 3 || err != nil {
		t.Error(n, err)
	}
	if n, created, err := h.Defnode(ctx, "x", "/n[last()+1]", "v"); n != 1 || !created || err != nil {
		t.Error(n, created, err)
	}
	if err := h.Insert(ctx, "/n[1]", "m", true); err != nil {
		t.Error(err)
	}
	if paths, err := h.Match(ctx, "/*[label() != 'augeas'][label() != 'files']"); err != nil || !slices.Equal(paths, []string{"/m", "/n[1]", "/n[2]", "/n[3]", "/n[4]"}) {
		t.Errorf("%q, %v", paths, err)
	}
	if err := h.Insert(ctx, "/n[1]", "a/b", true); err == nil {
		t.Error("a label with a slash")
	}
}

// TestSkipped finds that a file that was not copied, and one of a guest that is gone, stay
// as they are.
func TestSkipped(t *testing.T) {
	ctx := t.Context()
	g := guestOf(t, map[string]string{"/etc/hosts": "127.0.0.1 localhost\n", "/etc/shells": strings.Repeat("#", maxFile+1)})
	h := open(t, g, 0)
	if err := h.Set(ctx, "/files/etc/shells/1", "/bin/sh"); err != nil {
		t.Error(err)
	}
	var file *FileError
	if err := h.Save(ctx); !errors.As(err, &file) || file.Path != "/etc/shells" {
		t.Error(err)
	}
	if got := g.content(t, "/etc/shells"); len(got) != maxFile+1 {
		t.Errorf("it has %d bytes", len(got))
	}
	if _, err := h.Rm(ctx, "/files/etc/shells"); err != nil {
		t.Error(err)
	}
	g.unmounted = true
	if err := h.Set(ctx, "/files/etc/hosts/1/alias", "lo"); err != nil {
		t.Error(err)
	}
	if err := h.Save(ctx); err == nil {
		t.Error("saved to nothing")
	}
	if got := g.content(t, "/etc/hosts"); got != "127.0.0.1 localhost\n" {
		t.Errorf("%q", got)
	}
}
