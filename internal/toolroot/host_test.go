package toolroot

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// A tree of the host as others have it: /usr merged or not, and programs that are links.
func TestLookPath(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"usr/bin", "usr/sbin", "etc/alternatives", "home/bin", "nix/store/x/bin"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"usr/bin/mawk", "usr/sbin/mke2fs", "home/bin/own", "nix/store/x/bin/lvm"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"bin": "usr/bin", "sbin": "usr/sbin", "usr/sbin/mkfs.ext4": "mke2fs", "usr/bin/awk": dir + "/etc/alternatives/awk",
		"etc/alternatives/awk": dir + "/usr/bin/mawk", "usr/bin/broken": "nowhere", "usr/bin/circle": "circle", "usr/bin/home": dir + "/home/bin/own",
		"usr/bin/lvm": "../../nix/store/x/bin/lvm",
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	h := &Host{links: map[string]string{dir + "/bin": "usr/bin", dir + "/sbin": "usr/sbin"}, dirs: []string{dir + "/usr", dir + "/nix/store"}}
	path := strings.Join([]string{"relative", "", dir + "/sbin", dir + "/bin", dir + "/home/bin"}, ":")
	for name, want := range map[string]string{
		"mawk": "/bin/mawk", "mkfs.ext4": "/sbin/mkfs.ext4", "awk": "/usr/bin/mawk", "lvm": "/bin/lvm",
		"broken": "", "circle": "", "own": "", "home": "", "missing": "", "": "", "x/y": "", "..": "",
	} {
		got, err := h.LookPath(name, path)
		if want != "" && (got != dir+want || err != nil) || want == "" && err == nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
		var missing *hosttool.MissingError
		if name == "missing" && !errors.As(err, &missing) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "own" && (!errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), dir+"/home/bin/own")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFurnish finds in the kernel what tools need, and nothing that is secret.
func TestFurnish(t *testing.T) {
	k := rig.Boot(t, nil)
	h := New(k)
	if _, err := h.Furnish(-1, nil); errors.Is(err, unix.ENODEV) {
		t.Skip("the kernel has no 9p: ", err)
	}
	for range 2 { // the second root has what the first one has
		v := furnished(t, k, h)
		for _, name := range []string{"sh", "ls"} {
			path, err := h.LookPath(name, "/usr/bin:/bin")
			if err != nil {
				t.Fatal(err)
			}
			want, _ := os.ReadFile(path)
			got, err := v.ReadFile(path, 1<<30)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v, want %d", path, len(got), err, len(want))
			}
		}
		if full, err := exec.LookPath("awk"); err == nil {
			want, _ := os.ReadFile(full)
			if got, err := v.ReadFile(full, 1<<30); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v, want %d", full, len(got), err, len(want))
			}
		}
		for _, name := range []string{"/etc/passwd", "/etc/lvm/lvm.conf"} {
			if text, err := v.ReadFile(name, 1<<20); len(text) == 0 || err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, name := range []string{"/etc/shadow", "/etc/ssh", "/etc/crypttab", "/root/.ssh", "/home", "/etc/mdadm", "/etc/lvm/devices", "/var/lib/dpkg"} {
			var st unix.Statx_t
			if err := v.Statx(unix.AT_FDCWD, name, 0, unix.STATX_TYPE, &st); err != unix.ENOENT {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := v.Mkdirat(unix.AT_FDCWD, "/usr/new", 0o755); err != unix.EROFS {
			t.Error(err)
		}
		if err := v.Mkdirat(unix.AT_FDCWD, "/var/new", 0o755); err != nil {
			t.Error(err)
		}
	}
}

// furnished returns a root as a tool has it.
func furnished(t testing.TB, k *lkl.Kernel, h *Host) *lkl.View {
	t.Helper()
	dir := t.Name() // there is one for each test
	place := "/" + strings.ReplaceAll(dir, "/", "-")
	k.Mkdirat(unix.AT_FDCWD, place, 0o755)
	if err := k.Mount("none", place, "ramfs", 0, "mode=0755"); err != nil {
		t.Fatal(err)
	}
	fd, err := k.Open(place, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	list, err := h.Furnish(fd, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, rig.LastLog(k, 5))
	}
	for _, m := range list {
		if err := k.MoveMount(m.Fd, "", unix.AT_FDCWD, place+m.Target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			t.Fatal(err)
		}
		k.CloseFd(m.Fd)
	}
	return k.Chroot(fd)
}
