package sandbox

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// descriptors returns what the descriptors of a process refer to.
func descriptors(t *testing.T, pid int) (list []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if os.IsPermission(err) {
		t.Skip("only root sees the descriptors of a process that is not dumpable")
	}
	rig.Check(t, "readdir", err)
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		rig.Check(t, "readlink", err)
		list = append(list, e.Name()+" "+target)
	}
	slices.Sort(list)
	return list
}

// TestInherits opens files that a careless program would let its children
// have.
func TestInherits(t *testing.T) {
	for range 30 {
		fd, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0) // without O_CLOEXEC
		rig.Check(t, "open", err)
		defer unix.Close(fd)
	}
	k := boot(t)
	list := descriptors(t, k.Pid())
	t.Log(list)
	if len(list) != 4 {
		t.Errorf("descriptors of the process: %q", list)
	}
	for i, want := range []string{"0 /memfd:", "1 anon_inode:[eventfd]", "2 pipe:", "3 socket:"} {
		if i < len(list) && !strings.HasPrefix(list[i], want) {
			t.Errorf("descriptor %q is not %q", list[i], want)
		}
	}

	// Each disk adds one descriptor, which is closed when it is detached. The
	// descriptor of a read-only disk cannot write.
	image := t.TempDir() + "/disk"
	f := rig.Open(t, image, os.O_RDWR|os.O_CREATE)
	rig.Check(t, "truncate", f.Truncate(1<<20))
	disk, err := k.AttachDisk(lkl.Disk{File: f, ReadOnly: true})
	rig.Check(t, "attach", err)
	list = descriptors(t, k.Pid())
	if len(list) != 5 || list[4] != "4 "+image {
		t.Errorf("descriptors with a disk: %q", list)
	}
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/4", k.Pid()))
	rig.Check(t, "fdinfo", err)
	var flags int
	_, after, _ := strings.Cut(string(info), "flags:")
	fmt.Sscanf(after, "%o", &flags)
	if flags&unix.O_ACCMODE != unix.O_RDONLY {
		t.Errorf("the descriptor of a read-only disk has the flags %o", flags)
	}
	rig.Check(t, "detach", rig.Detach(k, disk))
	if list = descriptors(t, k.Pid()); len(list) != 4 {
		t.Errorf("descriptors after the disk was detached: %q", list)
	}
}

func TestStatus(t *testing.T) {
	k := boot(t)
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", k.Pid()))
	rig.Check(t, "status", err)
	status := map[string]string{}
	for _, l := range strings.Split(string(data), "\n") {
		name, value, _ := strings.Cut(l, ":")
		status[name] = strings.TrimSpace(value)
	}
	for name, want := range map[string]string{
		"NoNewPrivs":      "1",
		"Seccomp":         "2",
		"Seccomp_filters": "1",
		"Threads":         "1",
		"TracerPid":       "0",
	} {
		if got := status[name]; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	t.Log(k.Sandbox())
	must := uint32(lkl.SANDBOX_SECCOMP | lkl.SANDBOX_NO_NEW_PRIVS | lkl.SANDBOX_NO_DUMP |
		lkl.SANDBOX_PDEATHSIG | lkl.SANDBOX_CLOSED)
	if !k.Sandbox().Has(must) {
		t.Errorf("sandbox: %v", k.Sandbox())
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", k.Pid()))
	rig.Check(t, "maps", err)
	for l := range strings.Lines(string(limits)) {
		if f := strings.Fields(l); strings.Contains(f[1], "w") && strings.Contains(f[1], "x") {
			t.Errorf("memory that can be written and executed: %s", l)
		}
	}
}

// TestNamespaces: what Sandbox reports about namespaces is true.
func TestNamespaces(t *testing.T) {
	k := boot(t)
	for name, flag := range map[string]uint32{
		"user": lkl.SANDBOX_NEWUSER, "net": lkl.SANDBOX_NEWNET, "ipc": lkl.SANDBOX_NEWIPC,
		"mnt": lkl.SANDBOX_NEWNS, "uts": lkl.SANDBOX_NEWUTS,
	} {
		own, err := os.Readlink("/proc/self/ns/" + name)
		if err != nil {
			continue // the host has none
		}
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", k.Pid(), name))
		if os.IsPermission(err) {
			t.Skip("only root sees the namespaces of a process that is not dumpable")
		}
		rig.Check(t, "readlink", err)
		if differs := own != its; differs != k.Sandbox().Has(flag) {
			t.Errorf("%s namespace: its own %v, Sandbox says %v", name, differs, k.Sandbox().Has(flag))
		}
	}
}

// startHelper starts this program as a helper and returns its kernel's process
// id.
func startHelper(t *testing.T, change func(*exec.Cmd)) (*exec.Cmd, int, uint32) {
	t.Helper()
	boot(t).Kill() // skips without a kernel
	self, err := os.Executable()
	rig.Check(t, "executable", err)
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), helperVariable+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	rig.Check(t, "pipe", err)
	if change != nil {
		change(cmd)
	}
	rig.Check(t, "start", cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, _ := bufio.NewReader(out).ReadString('\n')
	var pid int
	var flags uint32
	if _, err := fmt.Sscan(line, &pid, &flags); err != nil {
		t.Fatalf("the helper says %q", line)
	}
	return cmd, pid, flags
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	// A zombie that has not been reaped yet is dead.
	return stat[bytes.LastIndexByte(stat, ')')+2] != 'Z'
}

// TestDiesWithParent: no kernel survives the program, however the program ends.
func TestDiesWithParent(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGABRT} {
		cmd, pid, _ := startHelper(t, func(c *exec.Cmd) { c.Stderr = nil })
		if !alive(pid) {
			t.Fatal("no kernel")
		}
		rig.Check(t, "signal", cmd.Process.Signal(sig))
		cmd.Wait()
		for i := 0; alive(pid); i++ {
			if i == 200 {
				syscall.Kill(pid, syscall.SIGKILL)
				t.Fatalf("after %v ended the program, the kernel is still running", sig)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// TestOrdinaryUser boots as nobody. The host then shows that the process is
// not dumpable by giving its files in /proc to root.
func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	const nobody = 65534
	dir := t.TempDir()
	rig.Check(t, "chmod", os.Chmod(filepath.Dir(dir), 0o755))
	rig.Check(t, "chmod", os.Chmod(dir, 0o755))
	_, pid, flags := startHelper(t, func(c *exec.Cmd) {
		program, err := os.ReadFile(c.Path)
		rig.Check(t, "read", err)
		c.Path = dir + "/program"
		rig.Check(t, "write", os.WriteFile(c.Path, program, 0o755))
		if kernel := os.Getenv("UNBOOT_KERNEL"); kernel != "" {
			image, err := os.ReadFile(kernel)
			rig.Check(t, "read", err)
			rig.Check(t, "write", os.WriteFile(dir+"/vmlinux", image, 0o755))
			c.Env = append(c.Env, "UNBOOT_KERNEL="+dir+"/vmlinux")
		}
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	})
	t.Log(lkl.Sandbox{Flags: flags})
	var st unix.Stat_t
	rig.Check(t, "stat", unix.Stat(fmt.Sprintf("/proc/%d/mem", pid), &st))
	if st.Uid != 0 {
		t.Errorf("the process is dumpable: its memory belongs to user %d", st.Uid)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	rig.Check(t, "status", err)
	if !strings.Contains(string(status), "\nUid:\t65534\t65534\t65534\t65534\n") {
		t.Errorf("status: %s", status)
	}
}

// TestStopped: a process that is stopped and continued (SIGSTOP, a frozen cgroup, a
// suspended host) goes on working. Linux restarts its futex wait with a system call of
// its own, restart_syscall(2), which the filter must allow.
func TestStopped(t *testing.T) {
	k := boot(t)
	for range 5 {
		time.Sleep(20 * time.Millisecond) // it sleeps
		rig.Check(t, "stop", unix.Kill(k.Pid(), unix.SIGSTOP))
		time.Sleep(20 * time.Millisecond)
		rig.Check(t, "continue", unix.Kill(k.Pid(), unix.SIGCONT))
		fd, err := k.Open("/", unix.O_RDONLY, 0)
		if err != nil {
			t.Fatalf("after it was stopped: %v", err)
		}
		rig.Check(t, "close", k.CloseFd(fd))
	}
}
