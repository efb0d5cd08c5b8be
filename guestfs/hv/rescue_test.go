package hv

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
)

// A rescueSession is one of virt-rescue on a terminal.
type rescueSession struct {
	*rig.Terminal
	t *testing.T
}

const rescuePrompt = "><rescue> "

// startRescue starts virt-rescue and waits for the prompt of its shell.
func startRescue(t *testing.T, args ...string) *rescueSession {
	t.Helper()
	testimg.Need(t, "virt-rescue")
	cmd := exec.Command("virt-rescue", args...)
	cmd.Env = append(append(os.Environ(), "TERM=dumb", "LIBGUESTFS_CACHEDIR="+t.TempDir()), testEnv(t).Variables()...)
	s := &rescueSession{Terminal: rig.OnTerminal(t, cmd), t: t}
	s.Until(rescuePrompt, 1)
	return s
}

// keys types something that ends a line, and waits for the next prompt. It returns what is shown
// until then.
func (s *rescueSession) keys(keys string) string {
	s.t.Helper()
	before := len(s.Said())
	s.Type(keys)
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		said, ready := strings.CutSuffix(s.Said()[before:], rescuePrompt)
		if ready && strings.Contains(said, "\n") {
			return strings.ReplaceAll(said, "\r\n", "\n")
		}
		if time.Now().After(end) {
			s.t.Fatalf("no prompt after %q: %q", keys, s.Said())
		}
	}
}

// run has the shell run a line, and returns what is shown before the next prompt.
func (s *rescueSession) run(line string) string {
	s.t.Helper()
	_, out, _ := strings.Cut(s.keys(line+"\n"), "\n") // what was typed
	return out
}

// expect runs a line, which is to print something.
func (s *rescueSession) expect(line, want string) {
	s.t.Helper()
	if got := s.run(line); got != want {
		s.t.Errorf("%s: %q, want %q", line, got, want)
	}
}

// escape types a key after the escape key, which virt-rescue reads apart.
func (s *rescueSession) escape(key string) {
	s.t.Helper()
	s.Type("\x1d")
	time.Sleep(200 * time.Millisecond)
	s.Type(key)
}

// exit ends the shell, and all.
func (s *rescueSession) exit() {
	s.t.Helper()
	s.Type("exit\n")
	s.ended()
}

// ended waits for the end of virt-rescue, which is to be content.
func (s *rescueSession) ended() {
	s.t.Helper()
	if code := s.Wait(); code != 0 || strings.Contains(s.Said(), "libguestfs: error") {
		s.t.Errorf("exit status %d: %q", code, s.Said())
	}
}

// machine returns the process that is virt-rescue's machine, and the kernel that is a child of it.
func (s *rescueSession) machine() (list []int) {
	s.t.Helper()
	parent := s.Cmd.Process.Pid
	for range 2 {
		found := 0
		stats, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, name := range stats {
			data, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			pid, rest, _ := strings.Cut(string(data), " ")
			comm, rest, _ := strings.Cut(rest[1:], ") ")
			if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) && strings.HasPrefix(comm, "unboot-") {
				found, _ = strconv.Atoi(pid)
			}
		}
		if found == 0 {
			s.t.Fatal("no machine runs")
		}
		list = append(list, found)
		parent = found
	}
	return list
}

// gone waits until none of some processes is there.
func gone(t *testing.T, pids []int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		left := []int{}
		for _, pid := range pids {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if _, state, _ := strings.Cut(string(stat), ") "); err == nil && !strings.HasPrefix(state, "Z") {
				left = append(left, pid)
			}
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Errorf("processes %v are left", left)
			return
		}
	}
}

// partitioned makes a disk with an ext4 on its first partition, at 1 MiB.
func partitioned(t *testing.T) string {
	t.Helper()
	testimg.Need(t, "sfdisk", "mke2fs", "e2fsck", "debugfs")
	disk := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 64<<20); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "sh", "-c", `echo start=2048,size=65536 | sfdisk -q "$1" && mke2fs -q -F -t ext4 -E offset=1048576 "$1" 32m`, "sh", disk)
	return disk
}

// content returns a file of the partition, which e2fsck is to find clean.
func content(t *testing.T, disk, name string) string {
	t.Helper()
	part := disk + "?offset=1048576"
	if out := testimg.MustRun(t, "sh", "-c", `e2fsck -fn "$1" 2>&1`, "sh", part); strings.Contains(out, "recover") {
		t.Errorf("e2fsck: %s", out)
	}
	return testimg.MustRun(t, "sh", "-c", `debugfs -R "cat $2" "$1" 2>/dev/null`, "sh", part, name)
}

// TestRescue: the shell of virt-rescue sees what is mounted, is a shell on a terminal, and what
// it writes is on the disk.
func TestRescue(t *testing.T) {
	disk := partitioned(t)
	s := startRescue(t, "-a", disk, "-m", "/dev/sda1")
	s.expect("ls /sysroot", "lost+found\n")
	s.expect("echo hi >/sysroot/x", "")
	s.expect("test -b /dev/sda1 && id -u && echo $TERM", "0\ndumb\n")
	s.Resize(31, 87)
	for i := 0; s.run("stty size") != "31 87\n"; i++ {
		if i == 100 {
			t.Fatal("the shell does not learn of the size of the terminal")
		}
	}
	s.Type("sh -c 'echo sleep$((1))s; exec sleep 1000'\n")
	s.Until("sleep1s", 1) // bash cannot bear a ^C before that
	s.keys("\x03")
	s.expect("echo $?", "130\n")
	s.Type("sh -c 'echo wait$((1))s; exec cat'\n")
	s.Until("wait1s", 1)
	if out := s.keys("\x1a"); !strings.Contains(out, "Stopped") {
		t.Errorf("^Z: %q", out)
	}
	s.expect("jobs | grep -c Stopped", "1\n")
	s.Type("fg\n")
	s.Until("exec cat'\r\n", 3) // typed, stopped, and back
	s.keys("typed\n\x04")
	s.expect("echo $?; jobs", "0\n")
	s.exit()
	if got := content(t, disk, "/x"); got != "hi\n" {
		t.Errorf("on the disk is %q", got)
	}
}

// TestRescueMounts: file systems that the shell has mounted itself, and left so, and a new one.
func TestRescueMounts(t *testing.T) {
	disk := partitioned(t)
	s := startRescue(t, "-a", disk, "--scratch")
	s.expect("ls /sysroot", "")
	s.expect("mkdir /tmp/m && mount /dev/sda1 /tmp/m && echo one >/tmp/m/one", "")
	s.expect("mount /dev/sda1 /sysroot && cd /sysroot && echo two >two", "")
	s.expect("mkfs.ext4 -q /dev/sdb && mkdir new && mount /dev/sdb new && echo three >new/three && cat new/three", "three\n")
	s.exit()
	if one, two := content(t, disk, "/one"), content(t, disk, "/two"); one != "one\n" || two != "two\n" {
		t.Errorf("on the disk are %q and %q", one, two)
	}
}

// TestRescueVolumes: LVM over several disks, with the host's own tools for it.
func TestRescueVolumes(t *testing.T) {
	testimg.Need(t, "lvm", "guestfish")
	disks := testvol.Writable(t, "lvm-linear")
	var args []string
	for _, d := range disks {
		args = append(args, "-a", d)
	}
	s := startRescue(t, append(args, "-m", "/dev/vg0/root")...)
	s.expect("vgs --noheadings -o vg_name | tr -d ' '", "vg0\n")
	if out := s.run("lvs --noheadings -o lv_name"); !strings.Contains(out, "root") || !strings.Contains(out, "span") {
		t.Errorf("lvs: %s", out)
	}
	s.expect("echo hi >/sysroot/x", "")
	s.expect("mkdir /tmp/span && mount /dev/vg0/span /tmp/span && echo there >/tmp/span/x", "")
	s.expect("lvremove -q -f vg0/swap >/dev/null && lvs vg0/swap >/dev/null 2>&1; echo $?", "5\n")
	s.exit()
	cmd := exec.Command("guestfish", append([]string{"--ro"}, append(args,
		"run", ":", "fsck", "ext4", "/dev/vg0/root", ":", "fsck", "ext4", "/dev/vg0/span", ":", "mount", "/dev/vg0/root", "/", ":", "cat", "/x", ":",
		"mount", "/dev/vg0/span", "/", ":", "cat", "/x", ":", "lvs")...)...)
	cmd.Env = append(os.Environ(), testEnv(t).Variables()...)
	out, err := cmd.CombinedOutput()
	if want := "0\n0\nhi\n\nthere\n\n/dev/vg0/root\n"; err != nil || !strings.HasPrefix(string(out), want) || strings.Contains(string(out), "swap") {
		t.Errorf("%v\n%s\nwant %s", err, out, want)
	}
}

// TestRescueReadOnly: nothing of what the shell writes stays.
func TestRescueReadOnly(t *testing.T) {
	disk := partitioned(t)
	before, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	s := startRescue(t, "--ro", "-a", disk, "-m", "/dev/sda1")
	s.expect("echo hi 2>&1 >/sysroot/x | grep -c Read-only", "1\n")
	s.expect("umount /sysroot; mount /dev/sda1 /sysroot && echo hi >/sysroot/x && cat /sysroot/x", "hi\n")
	s.expect("umount /sysroot; dd if=/dev/zero of=/dev/sda bs=1M count=1 conv=fsync 2>/dev/null; cmp -n 1048576 /dev/sda /dev/zero && echo zeros", "zeros\n")
	s.exit()
	if after, err := os.ReadFile(disk); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the disk has changed (%v)", err)
	}
}

// TestRescueSystem: the shell can enter a system, which has its devices and processes there.
func TestRescueSystem(t *testing.T) {
	testimg.NeedRoot(t)
	disk := testimg.Writable(t, testimg.Debian(t, "ext4"))
	s := startRescue(t, "-a", disk, "-i")
	s.expect("cat /sysroot/etc/debian_version | cut -c1-3", "12.\n")
	s.expect("chroot /sysroot sh -c 'test -b /dev/sda && test -e /proc/self/fd && ls /sys/block | head -n 1; tty'", "sda\n/dev/pts/0\n")
	s.expect("chroot /sysroot dpkg-query -W -f '${Package}\\n' bash", "bash\n")
	s.escape("i")
	s.Until("root device: ", 1)
	s.exit()
}

// TestRescueKeys: what the escape key does with file systems that the shell uses.
func TestRescueKeys(t *testing.T) {
	disk := partitioned(t)
	s := startRescue(t, "-a", disk, "-m", "/dev/sda1")
	s.expect("cd /sysroot; echo one >one", "")
	s.escape("u")
	s.Until("umount: /sysroot: target is busy.", 1)
	s.expect("cd /; cat /sysroot/one", "one\n")
	s.expect("umount /sysroot && e2fsck -fy /dev/sda1 >/dev/null 2>&1; echo $?; mount /dev/sda1 /sysroot", "0\n")
	s.escape("u")
	s.Until("unmounting", 2)
	for i := 0; s.run("ls /sysroot") != ""; i++ {
		if i == 100 {
			t.Fatal("it is still mounted")
		}
	}
	s.expect("mount /dev/sda1 /sysroot && cd /sysroot && echo two >two", "")
	s.run("sleep 1000 &")
	s.escape("s")
	s.Until("sync", 1)
	pids := s.machine()
	s.escape("q")
	if code := s.Wait(); code != 0 {
		t.Errorf("exit status %d: %q", code, s.Said())
	}
	gone(t, pids)
	if one, two := content(t, disk, "/one"), content(t, disk, "/two"); one != "one\n" || two != "two\n" {
		t.Errorf("on the disk are %q and %q", one, two)
	}
}

// TestRescueKilled: nothing is left behind, whoever is killed. If it is virt-rescue, all that
// the shell has written is on the disk.
func TestRescueKilled(t *testing.T) {
	for name, victim := range map[string]func(s *rescueSession, machine int) int{
		"virt-rescue": func(s *rescueSession, _ int) int { return s.Cmd.Process.Pid },
		"machine":     func(_ *rescueSession, machine int) int { return machine },
	} {
		t.Run(name, func(t *testing.T) {
			disk := partitioned(t)
			s := startRescue(t, "-a", disk, "-m", "/dev/sda1")
			s.run("cd /sysroot; echo hi >x; sleep 1000 & sleep 1000 | cat &")
			pids := s.machine()
			if err := unix.Kill(victim(s, pids[0]), unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if code := s.Wait(); code == 0 {
				t.Error("virt-rescue has not noticed")
			}
			gone(t, pids)
			if name == "virt-rescue" {
				if got := content(t, disk, "/x"); got != "hi\n" {
					t.Errorf("on the disk is %q", got)
				}
			}
		})
	}
}

// TestRescueFull: a full file system is the shell's error alone.
func TestRescueFull(t *testing.T) {
	disk := partitioned(t)
	s := startRescue(t, "-a", disk, "-m", "/dev/sda1")
	if out := s.run("dd if=/dev/zero of=/sysroot/big bs=1M"); !strings.Contains(out, "No space left on device") {
		t.Errorf("dd: %s", out)
	}
	s.expect("rm /sysroot/big; echo hi >/sysroot/x", "")
	s.exit()
	if got := content(t, disk, "/x"); got != "hi\n" {
		t.Errorf("on the disk is %q", got)
	}
}

// TestRescueLost: where the disk of the host is full, virt-rescue says so at the end, also of a
// file system that the shell has mounted for itself.
func TestRescueLost(t *testing.T) {
	testimg.NeedRoot(t)
	for mount, want := range map[string]string{
		"cd /sysroot": "sync /sysroot: ",
		"umount /sysroot; mkdir /tmp/m; mount /dev/sda1 /tmp/m; cd /tmp/m": "not everything was written",
	} {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		disk := filepath.Join(dir, "disk.img")
		testimg.MustRun(t, "cp", "--sparse=always", partitioned(t), disk)
		s := startRescue(t, "-a", disk, "-m", "/dev/sda1")
		s.run(mount)
		s.expect("dd if=/dev/urandom of=big bs=1M count=12 2>/dev/null; echo $?", "0\n")
		s.Type("exit\n")
		if code := s.Wait(); code == 0 || !strings.Contains(s.Said(), want) {
			t.Errorf("exit status %d: %q", code, s.Said())
		}
	}
}

// TestRescueNetwork: with --network, the shell reaches what the user allows.
func TestRescueNetwork(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "served\n") }))
	defer srv.Close()
	_, port, _ := strings.Cut(srv.Listener.Addr().String(), ":")
	t.Setenv("UNBOOT_NETWORK_ALLOW", "host:"+port)
	get := "exec 3<>/dev/tcp/10.0.2.2/" + port + " && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && tail -n 1 <&3"
	s := startRescue(t, "--network", "--ro", "-a", image(t))
	s.expect(get, "served\n")
	s.expect("grep -c ^nameserver /etc/resolv.conf", "1\n")
	s.exit()
	s = startRescue(t, "--ro", "-a", image(t))
	if out := s.run(get); !strings.Contains(out, "unreachable") {
		t.Errorf("without --network: %s", out)
	}
	s.exit()
}

// TestRescueVerbose: the machine's log has lines for a terminal in raw mode.
func TestRescueVerbose(t *testing.T) {
	s := startRescue(t, "-v", "-a", partitioned(t), "-m", "/dev/sda1")
	s.escape("s")
	s.Until("guestfsd: sync", 1)
	s.exit()
	for line := range strings.SplitAfterSeq(s.Said(), "\n") {
		if strings.Contains(line, "guestfsd: sync") && !strings.HasSuffix(line, "\r\n") {
			t.Errorf("%q", line)
		}
	}
}
