package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/augeas"
	"github.com/unboot/unboot/internal/testimg"
)

// augFileMax is the size in bytes of the largest file that Augeas gets a copy of.
const augFileMax = 16 << 20

// augImage serves an image with files, by their paths. What ends in a slash is a
// directory.
func augImage(t *testing.T, files map[string]string) guest {
	t.Helper()
	needKernel(t)
	testimg.Need(t, "mkfs.ext4")
	// Where the server keeps its copies, to find out if any are left.
	t.Setenv("TMPDIR", openTemp(t))
	tree := t.TempDir()
	for name, text := range files {
		p := filepath.Join(tree, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(p, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	disk := image(t, 64)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", "-d", tree, disk)
	return mountImage(t, Drive{Path: disk})
}

// openTemp makes a directory that everybody can reach, in which nothing may be left.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "unboot-test-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		os.RemoveAll(dir)
	})
	return dir
}

func (g guest) number(proc uint32, a rpc.Args) (n int) {
	g.t.Helper()
	if err := invoke(g.c, proc, a, func(x *xdr.Codec) { x.Int(&n) }); err != nil {
		g.t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	return n
}

func (g guest) get(path string) string {
	g.t.Helper()
	return g.str(rpc.ProcAugGet, &rpc.AugGetArgs{Augpath: path})
}

func (g guest) set(path, value string) {
	g.t.Helper()
	g.do(rpc.ProcAugSet, &rpc.AugSetArgs{Augpath: path, Val: value})
}

func (g guest) cat(path string) string {
	g.t.Helper()
	return string(g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: path}))
}

func needAugeas(t *testing.T) {
	t.Helper()
	testimg.Need(t, augeas.Tools...)
}

// TestAugeas edits files, and finds that all bytes that a string may have get there and
// back.
func TestAugeas(t *testing.T) {
	needAugeas(t)
	g := augImage(t, map[string]string{
		"etc/hosts": "127.0.0.1 localhost\n", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/fstab/": "",
		"etc/shells": strings.Repeat("#", augFileMax+1),
	})
	g.do(rpc.ProcAugInit, &rpc.AugInitArgs{Root: "/"})
	var each []byte
	for c := 1; c <= 0xff; c++ {
		each = append(each, byte(c), '[', 'A', byte(c))
	}
	for _, value := range []string{"", " ", "a", "\n", "\\n", "[", "]]", `"`, "\x1b[A\x16\x03\x04", "/v = x\n/w = y", "(none)", string(each), strings.Repeat("ab c\n", 5000)} {
		g.set("/v", value)
		if got := g.get("/v"); got != value {
			t.Errorf("%.99q comes back as %.99q", value, got)
		}
		if got := g.strs(rpc.ProcAugMatch, &rpc.AugMatchArgs{Augpath: "/v|/files/etc/hosts"}); !slices.Equal(got, []string{"/v", "/files/etc/hosts"}) {
			t.Errorf("%.99q: %q", value, got)
		}
	}
	for _, label := range []string{"a b", "a[b", "]", `\`, "a\nb", "x = y", `\[\\]`, "(none)", "ä", "a\tb", "/a", ","} {
		path := "/labels/" + augeas.Label(label)
		g.set(path, "one\ntwo")
		if got := g.str(rpc.ProcAugLabel, &rpc.AugLabelArgs{Augpath: path}); got != label {
			t.Errorf("%q comes back as %q", label, got)
		}
		if got := g.strs(rpc.ProcAugLs, &rpc.AugLsArgs{Augpath: "/labels"}); !slices.Equal(got, []string{path}) {
			t.Errorf("%q: %q, want %q", label, got, path)
		}
		if n := g.number(rpc.ProcAugRm, &rpc.AugRmArgs{Augpath: path}); n != 1 {
			t.Errorf("%q: %d removed", label, n)
		}
	}
	g.set("/q", "[")
	if got := g.strs(rpc.ProcAugMatch, &rpc.AugMatchArgs{Augpath: "/*[. = '[']"}); !slices.Equal(got, []string{"/q"}) {
		t.Errorf("%q", got)
	}
	g.fails(rpc.ProcAugMatch, &rpc.AugMatchArgs{Augpath: "/*[. = ']']"}, nil, augeas.ErrBrackets.Error())
	if got := g.get("/augeas/root"); got != "/" {
		t.Errorf("the root is %q", got)
	}

	g.set("/files/etc/hosts/1/alias", "lo")
	g.do(rpc.ProcAugSave, &rpc.None{})
	if got := g.cat("/etc/hosts"); got != "127.0.0.1 localhost lo\n" {
		t.Errorf("%q", got)
	}
	// What was not copied stays, and is named.
	for _, path := range []string{"/etc/shells", "/etc/fstab"} {
		entry := map[string]string{"/etc/shells": "/1", "/etc/fstab": "/1/spec"}[path]
		g.set("/files"+path+entry, "/dev/x")
		if path == "/etc/fstab" {
			g.set("/files/etc/fstab/1/file", "/")
			g.set("/files/etc/fstab/1/vfstype", "ext4")
		}
		if err := invoke(g.c, rpc.ProcAugSave, &rpc.None{}, nil); err == nil || path == "/etc/shells" && !strings.HasPrefix(err.Error(), path+": ") {
			t.Errorf("%s: %v", path, err)
		}
		g.number(rpc.ProcAugRm, &rpc.AugRmArgs{Augpath: "/files" + path})
	}
	if st := g.out(rpc.ProcDownload, &rpc.DownloadArgs{Remotefilename: "/etc/shells"}); len(st) != augFileMax+1 {
		t.Errorf("a file that was not copied has now %d bytes", len(st))
	}
	g.do(rpc.ProcUmount, &rpc.UmountArgs{Pathordevice: "/"})
	g.do(rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	g.do(rpc.ProcAugLoad, &rpc.None{})
	if got := g.get("/files/etc/hosts/1/alias"); got != "lo" {
		t.Errorf("%q", got)
	}
	g.do(rpc.ProcAugInit, &rpc.AugInitArgs{Root: "/etc"})
	g.do(rpc.ProcAugClose, &rpc.None{})
	g.do(rpc.ProcAugInit, &rpc.AugInitArgs{Root: "/", Flags: augeas.NoLoad})
}

// fakeAugtool has the server find a script in the place of augtool.
func fakeAugtool(t *testing.T, script string) {
	t.Helper()
	testimg.Need(t, "stdbuf", "sh")
	dir := openTemp(t)
	path := filepath.Join(dir, "augtool")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(path) })
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// TestAugtoolGone finds that a server goes on without an augtool that has died.
func TestAugtoolGone(t *testing.T) {
	fakeAugtool(t, "read x; exit 3")
	g := augImage(t, nil)
	if err := invoke(g.c, rpc.ProcAugInit, &rpc.AugInitArgs{Root: "/"}, nil); err == nil || !strings.Contains(err.Error(), "augtool ended unexpectedly") {
		t.Error(err)
	}
	g.fails(rpc.ProcAugGet, &rpc.AugGetArgs{Augpath: "/"}, nil, "you must call 'aug-init' first")
}

// TestAugeasFiles finds that of what an augtool leaves only regular files of its own get
// into the guest.
func TestAugeasFiles(t *testing.T) {
	needAugeas(t)
	g := augImage(t, map[string]string{"etc/hosts": "127.0.0.1 localhost\n", "etc/shells": "/bin/sh\n", "etc/host.conf": "multi on\n"})
	g.do(rpc.ProcAugInit, &rpc.AugInitArgs{Root: "/"})
	roots, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*/root"))
	if err != nil || len(roots) != 1 {
		t.Fatalf("%q, %v", roots, err)
	}
	etc := filepath.Join(roots[0], "etc")
	secret := filepath.Join(t.TempDir(), "secret")
	for _, err := range []error{
		os.WriteFile(secret, []byte("secret"), 0o600),
		os.Remove(filepath.Join(etc, "hosts")),
		os.Symlink(secret, filepath.Join(etc, "hosts")),
		os.Symlink(secret, filepath.Join(etc, "link")),
		unix.Mkfifo(filepath.Join(etc, "fifo"), 0o666),
		os.Remove(filepath.Join(etc, "shells")),
		unix.Mkfifo(filepath.Join(etc, "shells"), 0o666),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	g.set("/files/etc/host.conf/reorder", "on")
	g.do(rpc.ProcAugSave, &rpc.None{})
	if os.Geteuid() == 0 {
		// As a hard link to a file of somebody else would be.
		if err := os.WriteFile(filepath.Join(etc, "foreign"), []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		g.fails(rpc.ProcAugSave, &rpc.None{}, nil, "/etc/foreign: ")
	}
	for path, want := range map[string]string{"/etc/hosts": "127.0.0.1 localhost\n", "/etc/shells": "/bin/sh\n", "/etc/host.conf": "multi on\nreorder on\n"} {
		if got := g.cat(path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := names0(g.out(rpc.ProcFind0, &rpc.Find0Args{Directory: "/etc"})); !slices.Equal(got, []string{"/host.conf", "/hosts", "/shells"}) {
		t.Errorf("%q", got)
	}
}
