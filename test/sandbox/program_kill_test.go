package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// A hostProcess is what /proc says of a process of the host.
type hostProcess struct {
	pid, parent int
	name        string
}

func hostProcesses() (list []hostProcess) {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range paths {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		end := bytes.LastIndexByte(stat, ')')
		p := hostProcess{name: string(stat[bytes.IndexByte(stat, '(')+1 : end])}
		p.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(path)))
		var state byte
		fmt.Sscanf(string(stat[end+1:]), " %c %d", &state, &p.parent)
		if state != 'Z' {
			list = append(list, p)
		}
	}
	return list
}

// stubsOf returns the processes that the program of which a kernel is a child has for
// programs: the spawner first. There is one kernel at a time in these tests.
func stubsOf(kernel int) (pids []int) {
	all := hostProcesses()
	i := slices.IndexFunc(all, func(p hostProcess) bool { return p.pid == kernel })
	if i < 0 {
		return nil
	}
	for _, p := range all {
		if p.parent == all[i].parent && p.name == "unboot-stubs" {
			pids = append(pids, p.pid)
			for _, s := range all {
				if s.parent == p.pid {
					pids = append(pids, s.pid)
				}
			}
		}
	}
	return pids
}

// TestProgramStub looks at a stub as the host sees it.
func TestProgramStub(t *testing.T) {
	testimg.NeedRoot(t)
	g := openGuest(t, guestImage(t))
	ctx, cancel := context.WithCancel(g.ctx)
	defer cancel()
	c := g.fs.CommandContext(ctx, "/bin/sleep", "100")
	rig.Check(t, "start", c.Start())
	kernel := g.img.Kernel().Pid()
	pids := stubsOf(kernel)
	if len(pids) < 2 {
		t.Fatalf("no stub: %v", pids)
	}
	for _, pid := range pids[1:] {
		if list := descriptors(t, pid); len(list) != 1 || !strings.HasPrefix(list[0], "0 /memfd:unboot-programs") {
			t.Errorf("descriptors of a stub: %q", list)
		}
		judgeStub(t, pid, kernel)
	}
	if list := descriptors(t, pids[0]); len(list) != 1 {
		t.Errorf("descriptors of the spawner: %q", list)
	}
	for _, name := range []string{"user", "ipc", "uts", "net", "mnt", "pid"} {
		own, _ := os.Readlink("/proc/self/ns/" + name)
		its, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", kernel, name))
		stub, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pids[1], name))
		if (own == its) != (own == stub) {
			t.Errorf("%s namespace: own %s, kernel's %s, stub's %s", name, own, its, stub)
		}
	}
	cancel()
	c.Wait()
	g.close(false)
}

// judgeStub looks at what a stub has mapped, and what it may do.
func judgeStub(t *testing.T, pid, kernel int) {
	t.Helper()
	proc := fmt.Sprintf("/proc/%d/", pid)
	status, err := os.ReadFile(proc + "status")
	rig.Check(t, "status", err)
	for _, want := range []string{"\nSeccomp:\t2\n", "\nNoNewPrivs:\t1\n", "\nThreads:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("no %q in %s", want, status)
		}
	}
	maps, err := os.ReadFile(proc + "maps")
	rig.Check(t, "maps", err)
	code := 0
	for l := range strings.Lines(string(maps)) {
		var start, end uint64
		var rights string
		fmt.Sscanf(l, "%x-%x %s", &start, &end, &rights)
		const base = 0x700000000000
		switch {
		case strings.Contains(l, "[vsyscall]"):
		case start < base && end <= base:
			if !strings.Contains(l, "memfd:unboot-programs") {
				t.Errorf("a program has a mapping of something else: %s", l)
			}
		case start < base || rights[1] == 'w' && rights[2] == 'x' || end > base+0x108000:
			t.Errorf("mapping: %s", l)
		case rights[2] == 'x':
			code++
		}
	}
	if code != 1 {
		t.Errorf("%d mappings of code in the stub's own addresses: %s", code, maps)
	}
	its, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", kernel))
	rig.Check(t, "limits", err)
	limits, err := os.ReadFile(proc + "limits")
	rig.Check(t, "limits", err)
	for l := range strings.Lines(string(its)) {
		switch {
		case strings.HasPrefix(l, "Max address space"), strings.HasPrefix(l, "Max file size"), strings.HasPrefix(l, "Max core"):
		case !strings.Contains(string(limits), l):
			t.Errorf("no limit %q: %s", l, limits)
		}
	}
	for _, name := range []string{"Max address space", "Max file size", "Max core file size"} {
		if i := strings.Index(string(limits), name); i < 0 || strings.HasPrefix(strings.TrimSpace(string(limits)[i+len(name):]), "unlimited") {
			t.Errorf("%s has no bound", name)
		}
	}
}

// TestProgramStubKilled kills stubs as the host's killer of those who take memory does: the
// programs in them end, with an error, and nothing else does.
func TestProgramStubKilled(t *testing.T) {
	g := openGuest(t, guestImage(t))
	for range 10 {
		c := g.fs.CommandContext(g.ctx, "/bin/sh", "-c", "while :; do :; done")
		rig.Check(t, "start", c.Start())
		time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
		for _, pid := range stubsOf(g.img.Kernel().Pid())[1:] {
			unix.Kill(pid, unix.SIGKILL)
		}
		var exit *unboot.ExitError
		if err := c.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
			t.Fatalf("after its stub was killed: %v", err)
		}
		if out, err := g.fs.CommandContext(g.ctx, "/bin/echo", "a").Output(); string(out) != "a\n" {
			t.Fatalf("another program: %q, %v", out, err)
		}
	}
	g.close(false)
}

// workVariable makes this program a helper that runs a program on the image that it names, and
// says which of its writes are on the disk.
const workVariable = "UNBOOT_TEST_WORK"

// TestProgramKills kills the kernel, the spawner, the program that has started them, a stub, or
// the guest's own processes, at any moment. Nothing is left on the host, and what had been synced
// is there.
func TestProgramKills(t *testing.T) {
	if image := os.Getenv(workVariable); image != "" {
		g := openGuest(t, image)
		fmt.Println("pids", g.img.Kernel().Pid(), stubsOf(g.img.Kernel().Pid())[0])
		ctx := g.ctx
		if d, err := time.ParseDuration(os.Getenv(workVariable + "_TIME")); err == nil {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d)
			defer cancel()
		}
		c := g.fs.CommandContext(ctx, "/bin/sh", "-c",
			`i=0; while :; do i=$((i+1)); echo $i > /tmp/f$i; sync; echo synced $i; true | cat & wait; done`)
		c.Stdout = os.Stdout
		fmt.Println("error", c.Run())
		return
	}
	openGuest(t, guestImage(t)).img.Close() // skips
	kills := 12
	if testimg.Thorough() {
		kills = 200
	}
	base := guestImage(t)
	self, err := os.Executable()
	rig.Check(t, "executable", err)
	for i := range kills {
		image := testimg.Writable(t, base)
		cmd := exec.Command(self, "-test.run=^TestProgramKills$")
		cmd.Env = append(os.Environ(), workVariable+"="+image)
		after := time.Duration(rand.IntN(400)) * time.Millisecond
		if i%5 == 3 { // the guest's processes, by the helper, which then ends as ever
			cmd.Env = append(cmd.Env, workVariable+"_TIME="+after.String())
		}
		out, err := cmd.StdoutPipe()
		rig.Check(t, "pipe", err)
		rig.Check(t, "start", cmd.Start())
		pids := make([]int, 2)
		synced := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if n, _ := fmt.Sscanf(lines.Text(), "pids %d %d", &pids[0], &pids[1]); n == 2 {
				break
			}
		}
		stubs := append(stubsOf(pids[0]), pids...)
		struck := make(chan struct{})
		time.AfterFunc(after, func() {
			defer close(struck)
			stubs = append(stubs, stubsOf(pids[0])...)
			switch i % 5 {
			case 0, 1:
				syscall.Kill(pids[i%5], syscall.SIGKILL)
			case 2:
				syscall.Kill(cmd.Process.Pid, syscall.SIGKILL)
			case 4: // stubs, until that of the shell is among them
				killStubs(pids[0])
			}
		})
		for lines.Scan() {
			fmt.Sscanf(lines.Text(), "synced %d", &synced)
		}
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil && i%5 > 2 { // its kernel was not harmed
			t.Errorf("kill %d: the helper ends with %v", i%5, err)
		}
		<-struck
		for n := 0; slices.ContainsFunc(stubs, alive); n++ {
			if n == 200 {
				t.Fatalf("left on the host: %v", stubs)
			}
			time.Sleep(10 * time.Millisecond)
		}
		afterKill(t, image, synced)
	}
}

// killStubs kills one of a kernel's stubs after the other, until there is none.
func killStubs(kernel int) {
	for range 1000 {
		pids := stubsOf(kernel)
		if len(pids) < 2 {
			return
		}
		syscall.Kill(pids[1+rand.IntN(len(pids)-1)], syscall.SIGKILL)
		time.Sleep(5 * time.Millisecond)
	}
}

// afterKill looks at an image whose kernel was killed when the write of a number was on the disk.
func afterKill(t *testing.T, image string, synced int) {
	t.Helper()
	if out, err := testimg.Run("e2fsck", "-fp", image); err != nil && !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("e2fsck: %v %s", err, out)
	}
	if synced == 0 {
		return
	}
	img, err := unboot.Open(t.Context(), image)
	rig.Check(t, "open", err)
	defer img.Close()
	tree, err := img.Mount("/dev/sda", unboot.ReadOnly())
	rig.Check(t, "mount", err)
	data, err := tree.ReadFile(fmt.Sprintf("tmp/f%d", synced))
	if err != nil || string(data) != fmt.Sprintln(synced) {
		t.Errorf("%d was synced, and there is %q, %v", synced, data, err)
	}
}
