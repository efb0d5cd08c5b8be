package guestfs

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
)

// TestSession writes, closes, and reads again what is in the image.
func TestSession(t *testing.T) {
	image := ext4(t)
	g := launched(t, image, false)
	large := bytes.Repeat([]byte("0123456789abcdef"), 300_000) // does not fit into a message
	check(t, g.Mkdir_p("/etc/sub/dir"))
	check(t, g.Write("/etc/hello", []byte("hello\nworld\r\nlast")))
	check(t, g.Write("/large", large))
	check(t, g.Write_append("/etc/hello", []byte("\n")))
	check(t, g.Write_append("/large", large))
	check(t, g.Ln_s("hello", "/etc/link"))
	check(t, g.Chmod(0o640, "/etc/hello"))
	check(t, g.Write("/empty", nil))
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	testimg.Fsck(t, "ext4", image)

	g = launched(t, image, true)
	if s := must[string](t)(g.Cat("/etc/link")); s != "hello\nworld\r\nlast\n" {
		t.Errorf("cat: %q", s)
	}
	if b := must[[]byte](t)(g.Read_file("/large")); !bytes.Equal(b, append(large, large...)) {
		t.Errorf("read_file: %d bytes", len(b))
	}
	if b := must[[]byte](t)(g.Read_file("/empty")); b == nil || len(b) != 0 {
		t.Errorf("read_file of nothing: %v", b)
	}
	if l := must[[]string](t)(g.Read_lines("/etc/hello")); !slices.Equal(l, []string{"hello", "world", "last"}) {
		t.Errorf("read_lines: %q", l)
	}
	if l := must[[]string](t)(g.Ls("/etc")); !slices.Equal(l, []string{"hello", "link", "sub"}) {
		t.Errorf("ls: %q", l)
	}
	if l := must[[]string](t)(g.Find("/etc/")); !slices.Equal(l, []string{"hello", "link", "sub", "sub/dir"}) {
		t.Errorf("find: %q", l)
	}
	if l := must[[]string](t)(g.Find("/etc")); !slices.Equal(l, []string{"/hello", "/link", "/sub", "/sub/dir"}) {
		t.Errorf("find, as libguestfs has it: %q", l)
	}
	if ok := must[bool](t)(g.Is_file("/etc/link", &OptargsIs_file{Followsymlinks_is_set: true, Followsymlinks: true})); !ok {
		t.Error("is_file does not follow")
	}
	if ok := must[bool](t)(g.Is_file("/etc/link", nil)); ok {
		t.Error("is_file follows")
	}
	st := must[*StatNS](t)(g.Statns("/etc/hello"))
	old := must[*Stat](t)(g.Stat("/etc/hello"))
	if st.St_mode != 0o100640 || st.St_size != 18 || old.Mode != st.St_mode || old.Size != 18 || old.Mtime != st.St_mtime_sec {
		t.Errorf("statns %+v, stat %+v", st, old)
	}
	if st, err := g.Statns("/none"); st == nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("statns of nothing: %v, %v", st, err)
	}
	if l := must[*[]Stat](t)(g.Lstatlist("/etc", []string{"hello", "none", "link"})); len(*l) != 3 || (*l)[0].Ino != old.Ino || (*l)[1].Ino != -1 {
		t.Errorf("lstatlist: %+v", *l)
	}
	if l := must[[]string](t)(g.Readlinklist("/etc", []string{"hello", "link"})); !slices.Equal(l, []string{"", "hello"}) {
		t.Errorf("readlinklist: %q", l)
	}
	err := g.Write("/etc/hello", nil)
	if !errors.Is(err, syscall.EROFS) {
		t.Errorf("write on a read-only disk: %v", err)
	}
	_, err = g.Cat("/none")
	fails(t, err, "cat", "download: /none: No such file or directory", syscall.ENOENT)
	if g.Last_errno() != syscall.ENOENT || g.Last_error() == "" {
		t.Errorf("last error: %v, %q", g.Last_errno(), g.Last_error())
	}
}

// TestReadOnly writes to a drive that is added read-only.
func TestReadOnly(t *testing.T) {
	image := ext4(t)
	before := sum(t, image)
	needKernel(t)
	g := create(t)
	check(t, g.Add_drive_ro(image))
	check(t, g.Launch())
	check(t, g.Mount("/dev/sda", "/"))
	check(t, g.Write("/forgotten", []byte("x")))
	if s := must[string](t)(g.Cat("/forgotten")); s != "x" {
		t.Errorf("%q", s)
	}
	check(t, g.Shutdown())
	if sum(t, image) != before {
		t.Error("the image has changed")
	}
	if ok, _ := g.Is_config(); !ok {
		t.Error("after shutdown it is not as before launch")
	}
}

func sum(t *testing.T, name string) [32]byte {
	t.Helper()
	f, err := os.Open(name)
	check(t, err)
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	check(t, err)
	return [32]byte(h.Sum(nil))
}

func TestTransfers(t *testing.T) {
	g := launched(t, ext4(t), false)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	data := bytes.Repeat([]byte("unboot\x00"), 100_000)
	check(t, os.WriteFile(in, data, 0o600))
	check(t, g.Upload(in, "/file"))
	check(t, g.Download("/file", out))
	if b, err := os.ReadFile(out); err != nil || !bytes.Equal(b, data) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	check(t, g.Touch("/empty"))
	check(t, g.Download("/empty", out))
	if st, err := os.Stat(out); err != nil || st.Size() != 0 {
		t.Errorf("a file that is empty: %v, %v", st, err)
	}
	fails(t, g.Upload(dir+"/none", "/x"), "upload", "open: "+dir+"/none: No such file or directory", syscall.ENOENT)
	fails(t, g.Upload(dir, "/x"), "upload", "read: "+dir+": Is a directory", syscall.EISDIR)
	fails(t, g.Download("/file", "/dev/full"), "download", "/dev/full: write: No space left on device", syscall.ENOSPC)
	fails(t, g.Download("/file", dir), "download", "open: "+dir+": Is a directory", syscall.EISDIR)
	err := g.Download("/none", dir+"/not-made")
	if !errors.Is(err, fs.ErrNotExist) || exists(dir+"/not-made") {
		t.Errorf("download of nothing: %v, made %t", err, exists(dir+"/not-made"))
	}
	if s := must[string](t)(g.Cat("/file")); s != "unboot" {
		t.Errorf("cat goes on after a zero byte: %d bytes", len(s))
	}
	if err := g.Ping_daemon(); err != nil {
		t.Error(err)
	}
}

func TestCopyTrees(t *testing.T) {
	g := launched(t, ext4(t), false)
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	check(t, os.MkdirAll(filepath.Join(tree, "a", "read only"), 0o755))
	check(t, os.WriteFile(filepath.Join(tree, "a", "read only", "file"), []byte("contents"), 0o600))
	check(t, os.WriteFile(filepath.Join(tree, strings.Repeat("n", 200)), []byte("long"), 0o4755))
	check(t, os.Chmod(filepath.Join(tree, strings.Repeat("n", 200)), fs.ModeSetuid|0o755))
	check(t, os.Symlink("/etc/shadow", filepath.Join(tree, "link")))
	check(t, os.Chmod(filepath.Join(tree, "a", "read only"), 0o555))
	check(t, g.Mkdir("/to"))
	check(t, g.Copy_in(tree, "/to"))
	check(t, g.Copy_in(filepath.Join(tree, "a", "read only", "file"), "/to"))
	if s := must[string](t)(g.Cat("/to/tree/a/read only/file")); s != "contents" {
		t.Errorf("%q", s)
	}
	if s := must[string](t)(g.Readlink("/to/tree/link")); s != "/etc/shadow" {
		t.Errorf("%q", s)
	}
	out := filepath.Join(dir, "out")
	check(t, os.Mkdir(out, 0o755))
	check(t, g.Copy_out("/to/tree", out))
	check(t, g.Copy_out("/to/file", out))
	want, got := listing(t, tree), listing(t, filepath.Join(out, "tree"))
	if !slices.Equal(want, got) {
		t.Errorf("want %q, got %q", want, got)
	}
	if b, err := os.ReadFile(filepath.Join(out, "file")); string(b) != "contents" {
		t.Errorf("%q, %v", b, err)
	}
	err := g.Copy_in(dir+"/none", "/to")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := g.Copy_in(tree, "/none"); err == nil {
		t.Error("copy_in to nowhere")
	}
	if err := g.Copy_out("/to", dir+"/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := g.Copy_out("/none", out); err == nil || exists(filepath.Join(out, "none")) {
		t.Errorf("copy_out of nothing: %v", err)
	}
	check(t, os.Chmod(filepath.Join(tree, "a", "read only"), 0o755))
	check(t, os.Chmod(filepath.Join(out, "tree", "a", "read only"), 0o755))
}

// listing returns a line about each file of a tree.
func listing(t *testing.T, root string) (l []string) {
	t.Helper()
	check(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		line := rel + " " + st.Mode().String() + " " + st.ModTime().Format("15:04:05")
		if d.Type() == fs.ModeSymlink {
			target, _ := os.Readlink(name)
			line = rel + " -> " + target
		}
		l = append(l, line)
		return nil
	}))
	return l
}

func TestNames(t *testing.T) {
	needKernel(t)
	g := create(t)
	check(t, g.Add_drive(blank(t, 1<<20), raw(false)))
	check(t, g.Add_drive_scratch(2<<20, nil))
	check(t, g.Launch())
	if l := must[[]string](t)(g.List_devices()); !slices.Equal(l, []string{"/dev/sda", "/dev/sdb"}) {
		t.Errorf("%q", l)
	}
	if n := must[int64](t)(g.Blockdev_getsize64("/dev/sdb")); n != 2<<20 {
		t.Errorf("scratch of %d bytes", n)
	}
	for device, want := range map[string]int{"/dev/sda": 0, "/dev/vdb": 1, "/dev/sdc": -1, "/dev/sda1": -1, "sda": -1} {
		if n, err := g.Device_index(device); err == nil && n != want || err != nil && want >= 0 {
			t.Errorf("%s: %d, %v", device, n, err)
		}
	}
	for device, want := range map[string]string{"/dev/vda": "/dev/sda", "/dev/hdb3": "/dev/sdb3", "/dev/md0": "/dev/md0", "/dev/mapper/luks": "/dev/mapper/luks"} {
		if s := must[string](t)(g.Canonical_device_name(device)); s != want {
			t.Errorf("%s: %s", device, s)
		}
	}
	if s := must[string](t)(g.Mountable_device("btrfsvol:/dev/sda/vol/a")); s != "/dev/sda" {
		t.Error(s)
	}
	if s := must[string](t)(g.Mountable_subvolume("btrfsvol:/dev/sda/vol/a")); s != "vol/a" {
		t.Error(s)
	}
	if _, err := g.Mountable_subvolume("/dev/sda"); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if ok := must[bool](t)(g.Feature_available([]string{"acl", "linuxxattrs"})); !ok {
		t.Error("no acl")
	}
	if ok := must[bool](t)(g.Feature_available([]string{"acl", "clevisluks"})); ok {
		t.Error("clevisluks")
	}
	if _, err := g.Feature_available([]string{"nonsense"}); err == nil {
		t.Error("a group that does not exist")
	}
	if err := g.Available([]string{"clevisluks"}); !errors.Is(err, syscall.ENOTSUP) {
		t.Error(err)
	}
	if err := g.Vgrename("a", "b"); err == nil || !strings.Contains(err.Error(), `Volume group "a" not found`) {
		t.Error(err)
	}
}

// Data that does not change is sent by the host from the image: files, devices and parts of
// them arrive as they are.
func TestDownloadFromReadOnly(t *testing.T) {
	image := ext4(t)
	data := bytes.Repeat([]byte("unboot\x00"), 1_000_000)
	g := launched(t, image, false)
	check(t, g.Write("/file", data[:1<<20]))
	check(t, g.Upload(tempWith(t, data), "/large"))
	if err := g.Close(); err != nil { // not an error as check takes it
		t.Fatal(err)
	}
	whole, err := os.ReadFile(image)
	check(t, err)
	g = launched(t, image, true)
	out := filepath.Join(t.TempDir(), "out")
	for name, want := range map[string][]byte{"/file": data[:1<<20], "/large": data, "/dev/sda": whole} {
		check(t, g.Download(name, out))
		if b, err := os.ReadFile(out); err != nil || !bytes.Equal(b, want) {
			t.Errorf("%s: %d bytes of %d, %v", name, len(b), len(want), err)
		}
		check(t, g.Download_offset(name, out, 12345, 400_000))
		if b, err := os.ReadFile(out); err != nil || !bytes.Equal(b, want[12345:][:400_000]) {
			t.Errorf("%s: %d bytes from an offset on, %v", name, len(b), err)
		}
	}
	fails(t, g.Download("/large", "/dev/full"), "download", "/dev/full: write: No space left on device", syscall.ENOSPC)
}

// tempWith returns a file of the host.
func tempWith(t *testing.T, data []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in")
	check(t, os.WriteFile(name, data, 0o600))
	return name
}
