package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/landlock"
	"github.com/unboot/unboot/internal/testimg"
)

func workshopOf(t *testing.T) *workshop {
	t.Helper()
	w, err := newWorkshop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

// TestToolConfined finds who a tool is, and that it sees nothing of our environment and
// of the network.
func TestToolConfined(t *testing.T) {
	testimg.Need(t, "id", "cat", "env")
	t.Setenv("SECRET_TOKEN", "x")
	w := workshopOf(t)
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := w.run(t.Context(), nil, tool{name: name, args: args})
		if err != nil {
			t.Error(err)
		}
		return out
	}
	who := os.Geteuid()
	if who == 0 {
		who = nobody
	}
	if got := strings.TrimSpace(run("id", "-u")); got != fmt.Sprint(who) {
		t.Errorf("it is %s", got)
	}
	if got := strings.TrimSpace(run("id", "-G")); os.Geteuid() == 0 && got != fmt.Sprint(nobody) {
		t.Errorf("it is in the groups %s", got)
	}
	if env := run("env"); strings.Contains(env, "SECRET_TOKEN") || !strings.Contains(env, "LC_ALL=C\n") {
		t.Errorf("environment\n%s", env)
	}
	if os.Geteuid() == 0 {
		if n := strings.Count(run("cat", "/proc/net/dev"), "\n"); n != 3 {
			t.Errorf("it has %d network devices", n-2)
		}
	}
}

// TestToolFiles finds that a tool works with what is in its workshop, and with no other
// file of the host, and has no more memory than it may.
func TestToolFiles(t *testing.T) {
	testimg.Need(t, "sh", "cat", "ls")
	w := workshopOf(t)
	if _, err := w.file("device0", 1<<20); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Dir(w.dir) + "/unboot-test-outside"
	if err := os.WriteFile(outside, []byte("secret"), 0o666); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(outside)
	if err := os.Chmod(outside, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		script string
		ok     bool
	}{
		{"echo x >device0; cat device0; mkdir d; echo x >d/f; mv d/f .; rm -r d f", true},
		{"echo x >/dev/null; ls /usr/bin /proc/self; cat /etc/passwd", true},
		{"cat " + outside, false},
		{"echo x >>" + outside, false},
		{"ls " + filepath.Dir(outside), false},
		{"echo x >" + outside + ".new", false},
		{"test $(ulimit -c) = 0", true},
		{"test $(ulimit -d) != unlimited", true},
	} {
		if !c.ok && !landlock.Available() {
			continue
		}
		out, err := w.run(t.Context(), nil, tool{name: "sh", args: []string{"-e", "-c", c.script}})
		if c.ok != (err == nil) {
			t.Errorf("%s: %v\n%s", c.script, err, out)
		}
	}
}

func TestToolErrors(t *testing.T) {
	testimg.Need(t, "sleep", "sh", "head")
	w := workshopOf(t)
	_, err := w.run(t.Context(), nil, tool{name: "no-such-tool"})
	if !errors.Is(err, unix.ENOTSUP) || err.Error() != "not available in unboot: there is no program no-such-tool on this host" {
		t.Error(err)
	}
	if _, err := w.run(t.Context(), nil, tool{name: "../bin/sh"}); !errors.Is(err, unix.ENOTSUP) {
		t.Error(err)
	}
	// Errors have the names of devices, and what was said on both streams.
	out, err := w.run(t.Context(), map[string]string{"device0": "/dev/sda"}, tool{name: "sh", args: []string{"-c", "echo out $0; echo err $0 >&2; exit 3", w.dir + "/device0"}})
	var failed *toolError
	if !errors.As(err, &failed) || failed.code != 3 || out != "out /dev/sda\n" || !strings.Contains(err.Error(), "err /dev/sda") || !strings.Contains(err.Error(), "out /dev/sda") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := w.run(t.Context(), nil, tool{name: "head", args: []string{"-c", "5000000", "/dev/zero"}}); err != nil || len(out) != maxToolOutput {
		t.Errorf("%d bytes kept, %v", len(out), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := w.run(ctx, nil, tool{name: "sleep", args: []string{"1000"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a call that was cancelled: %v", err)
	}
}

// TestToolDamage finds that a tool that was killed changes nothing, and that what one has
// changed before it failed is there, on the device and nowhere else.
func TestToolDamage(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "sh", "dd")
	disk := image(t, 16)
	sfdisk(t, disk, "label: dos\n2048,4M\n8M,4M\n")
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	before, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Drives: []Drive{{Path: disk}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	script := func(use toolUse, device, script string) error {
		_, err := s.onDevice(t.Context(), use, device, nil, "sh", "-c", script, "sh", deviceArg(0))
		return err
	}
	same := func(when string) {
		t.Helper()
		now, err := os.ReadFile(disk)
		if err != nil || string(now) != string(before) {
			t.Errorf("%s: the disk has changed, %v", when, err)
		}
	}
	write := "printf hello | dd of=$1 bs=1 seek=%d conv=notrunc status=none; "
	if err := script(toolChanges, "/dev/sda1", fmt.Sprintf(write, 4097)+"kill -9 $$"); err == nil {
		t.Error("killed, and no error")
	}
	same("killed")
	if err := script(toolReads, "/dev/sda1", fmt.Sprintf(write, 4097)); err != nil {
		t.Error(err)
	}
	same("reading")
	if err := script(toolMakes, "/dev/sda1", fmt.Sprintf(write, 4097)+"exit 1"); err == nil {
		t.Error("failed, and no error")
	}
	same("failed to make")
	// A file that grows or shrinks does not touch what is beyond the device, or was cut.
	if err := script(toolChanges, "/dev/sda1", fmt.Sprintf(write, 4<<20)); err != nil {
		t.Error(err)
	}
	same("beyond the end")
	if err := script(toolChanges, "/dev/sda", "truncate -s 1M $1"); err != nil {
		t.Error(err)
	}
	same("cut")
	var failed *toolError
	if err := script(toolChanges, "/dev/sda2", fmt.Sprintf(write, 4097)+"exit 7"); !errors.As(err, &failed) || failed.code != 7 {
		t.Error(err)
	}
	copy(before[8<<20+4097:], "hello")
	same("failed to change")
	// Making clears what was there, and only there.
	if err := script(toolMakes, "/dev/sda2", fmt.Sprintf(write, 1<<20)); err != nil {
		t.Error(err)
	}
	clear(before[8<<20 : 12<<20])
	copy(before[9<<20:], "hello")
	same("made")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestToolQcow2 has a tool work on a disk that is not a raw file, whose changes are
// thrown away.
func TestToolQcow2(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "qemu-img", "mkfs.ext4", "e2fsck")
	raw := image(t, 16)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", raw)
	disk := raw + ".qcow2"
	testimg.MustRun(t, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk)
	before, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []Drive{{Path: disk, Format: "qcow2", ReadOnly: true}, {Path: raw, ReadOnly: true}} {
		c := connect(t, d)
		wantOK(t, c, rpc.ProcSetE2uuid, &rpc.SetE2uuidArgs{Device: "/dev/sda", Uuid: "time"})
		wantOK(t, c, rpc.ProcE2fsck, &rpc.E2fsckArgs{Device: "/dev/sda", Forceall: rpc.Some(true)})
		wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext2", Device: "/dev/sda", Label: rpc.Some("new")})
		writeFile(t, c, "", "/dev/sda")
		wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: "/dev/sda"}, "new")
		wantOK(t, c, rpc.ProcE2fsck, &rpc.E2fsckArgs{Device: "/dev/sda"})
		wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	}
	if after, err := os.ReadFile(disk); err != nil || string(after) != string(before) {
		t.Errorf("the image has changed: %v", err)
	}
	if blkidTag(t, raw, "TYPE") != "ext4" {
		t.Error("the raw image has changed")
	}
}
