package unboot_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/hosttool"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// TestBind gives a guest's programs a directory of the host.
func TestBind(t *testing.T) {
	f, _ := guest(t)
	rig.Check(t, "mkdir", f.MkdirAll("mnt", 0o755))
	dir := t.TempDir()
	os.WriteFile(dir+"/in", []byte("of the host\n"), 0o644)
	os.Symlink("/etc/passwd", dir+"/link") // which is the guest's then
	run := func(write bool, script string) (string, error) {
		c := sh(f, script)
		c.Mounts = []unboot.CmdMount{unboot.Bind(dir, "/mnt", write)}
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := run(false, "cat /mnt/in; cd /mnt/..; cat mnt/in; head -n 1 /mnt/link"); err != nil || !strings.HasPrefix(out, "of the host\nof the host\nroot:") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := run(false, "echo x >/mnt/in"); err == nil || !strings.Contains(out, "Read-only file system") {
		t.Errorf("%q, %v", out, err)
	}
	const script = `set -e
mkdir -p /mnt/a/b; echo made >/mnt/a/b/f; ln /mnt/a/b/f /mnt/hard; ln -s a/b /mnt/l; mv /mnt/in /mnt/l/in
cat /mnt/a/b/in /mnt/l/f; mkfifo /mnt/p; echo through >/mnt/p & cat /mnt/p; rm /mnt/p
i=0; while [ $i -lt 50 ]; do echo $i >/mnt/a/$i; i=$((i+1)); done; ls /mnt/a | wc -l`
	if out, err := run(true, script); err != nil || out != "of the host\nmade\nthrough\n51\n" {
		t.Errorf("%q, %v", out, err)
	}
	for name, want := range map[string]string{"a/b/f": "made\n", "hard": "made\n", "a/b/in": "of the host\n", "a/49": "49\n"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	// What was left running has not closed its file.
	if out, err := run(true, "(exec 3>/mnt/late; echo late >&3; sleep 1000) & sleep 0.1; echo"); err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if got, err := os.ReadFile(dir + "/late"); string(got) != "late\n" {
		t.Errorf("%q, %v", got, err)
	}
	c := sh(f, "true")
	c.Mounts = []unboot.CmdMount{unboot.Bind(dir+"/missing", "/mnt", false)}
	if err := c.Run(); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), dir+"/missing") {
		t.Error(err)
	}
	c = sh(f, "true")
	c.Mounts = []unboot.CmdMount{unboot.Bind(dir, "/no/where", false)}
	if err := c.Run(); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "/no/where") {
		t.Error(err)
	}
}

// TestBindFull writes to a directory of the host whose disk is full: the program is told when it
// closes the file, and the command's end has the error even if the program does not care.
func TestBindFull(t *testing.T) {
	testimg.NeedRoot(t)
	f, _ := guest(t)
	rig.Check(t, "mkdir", f.MkdirAll("mnt", 0o755))
	dir := t.TempDir()
	rig.Check(t, "tmpfs", unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"))
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	for _, script := range []string{
		"dd if=/dev/zero of=/mnt/big bs=64k count=16 2>/dev/null || echo told",
		"cp /bin/busybox /mnt/copy 2>/dev/null || echo told",
		"echo small >/mnt/small; echo told",
	} {
		c := sh(f, script)
		c.Mounts = []unboot.CmdMount{unboot.Bind(dir, "/mnt", true)}
		out, err := c.Output()
		if string(out) != "told\n" || !errors.Is(err, unix.ENOSPC) || !strings.Contains(fmt.Sprint(err), "write "+dir+"/") {
			t.Errorf("%s: %q, %v", script, out, err)
		}
	}
	c := sh(f, "rm /mnt/*; echo small >/mnt/small")
	c.Mounts = []unboot.CmdMount{unboot.Bind(dir, "/mnt", true)}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if got, err := os.ReadFile(dir + "/small"); string(got) != "small\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestTool runs tools of the host on an image: they make what those on the host find.
func TestTool(t *testing.T) {
	testimg.Need(t, "mkfs.ext4", "e2fsck")
	image := t.TempDir() + "/disk"
	if err := os.WriteFile(image, nil, 0o600); err != nil || os.Truncate(image, 64<<20) != nil {
		t.Fatal(err)
	}
	img := open(t, image, unboot.Writable())
	tool := func(name string, arg ...string) (string, error) {
		out, err := img.Tool(name, arg...).CombinedOutput()
		if errors.Is(err, lkl.ErrNoPrograms) || errors.Is(err, unix.ENODEV) {
			t.Skip(err)
		}
		return string(out), err
	}
	for range 2 {
		if out, err := tool("mkfs.ext4", "-q", "-F", "-L", "made", "/dev/sda"); err != nil {
			t.Fatalf("%s%v", out, err)
		}
	}
	if out, err := tool("e2fsck", "-fn", "/dev/sda"); err != nil || !strings.Contains(out, "made: 11/") {
		t.Errorf("%s%v", out, err)
	}
	if out, err := tool("sh", "-c", "cat /etc/shadow; cat /etc/ssh/ssh_host_rsa_key; ls -A /home /root; touch /usr/x; cat /etc/passwd | wc -l"); err != nil ||
		strings.Count(out, "No such file") != 3 || !strings.Contains(out, "Read-only") || !strings.HasSuffix(out, "2\n") {
		t.Errorf("%s%v", out, err)
	}
	dir := t.TempDir()
	c := img.Tool("sh", "-c", "echo written >/a/b/f")
	c.Mounts = []unboot.CmdMount{unboot.Bind(dir, "/a/b", true)}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%s%v", out, err)
	}
	if got, err := os.ReadFile(dir + "/f"); string(got) != "written\n" {
		t.Errorf("%q, %v", got, err)
	}
	var missing *hosttool.MissingError
	if _, err := tool("no-such-tool"); !errors.As(err, &missing) {
		t.Error(err)
	}
	rig.Check(t, "close", img.Close())
	if out, err := testimg.Run("e2fsck", "-fn", image); err != nil {
		t.Errorf("%s%v", out, err)
	}
}

// TestToolVolumes makes volumes with the host's LVM, for which there is no udev.
func TestToolVolumes(t *testing.T) {
	testimg.Need(t, "lvm", "mkfs.ext4")
	image := t.TempDir() + "/disk"
	if err := os.WriteFile(image, nil, 0o600); err != nil || os.Truncate(image, 128<<20) != nil {
		t.Fatal(err)
	}
	img := open(t, image, unboot.Writable())
	for i, args := range [][]string{
		{"pvcreate", "/dev/sda"}, {"vgcreate", "vg", "/dev/sda"}, {"lvcreate", "-n", "data", "-L", "64M", "vg"},
		{"mkfs.ext4", "-q", "/dev/vg/data"},
	} {
		out, err := img.Tool(args[0], args[1:]...).CombinedOutput()
		if i == 0 && (errors.Is(err, lkl.ErrNoPrograms) || errors.Is(err, unix.ENODEV)) {
			t.Skip(err)
		}
		if err != nil || strings.Contains(fmt.Sprintf("%s", out), "WARNING") {
			t.Fatalf("%v: %s%v", args, out, err)
		}
	}
	rig.Check(t, "close", img.Close())
	root, err := open(t, image).MountAuto()
	rig.Check(t, "mount", err)
	if _, err := root.Stat("lost+found"); err != nil {
		t.Error(err)
	}
}
