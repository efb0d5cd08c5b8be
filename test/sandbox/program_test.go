package sandbox

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// programMemory is how much memory there is for programs in these tests.
const programMemory = 256 << 20

// hostile compiles the program that attacks, and returns it.
var hostile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "hostile")
	if text, err := testimg.Run("gcc", "-O1", "-static", "-o", out, "testdata/hostile.c"); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
})

// guestImage returns a guest that has the program that attacks, writable.
func guestImage(t testing.TB) string {
	t.Helper()
	testimg.Need(t, "gcc")
	program, err := hostile()
	rig.Check(t, "gcc", err)
	return testimg.Writable(t, testimg.Busybox(t, testimg.Node{
		Path: "bin/hostile", Mode: 0o755, Size: int64(len(program)), Chunks: []testimg.Chunk{{Data: program}},
	}))
}

// A guest is an open image with its tree, and another file system on a second disk, which
// no program of it is given.
type guest struct {
	t     testing.TB
	ctx   context.Context
	img   *unboot.Image
	fs    *unboot.FS
	other *unboot.FS
	path  string
}

func openGuest(t testing.TB, image string) *guest {
	t.Helper()
	boot(t).Kill() // skips without a kernel
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	second := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	img, err := unboot.Open(ctx, image, unboot.Writable(), unboot.AddDisk(second), unboot.ProgramMemory(programMemory))
	rig.Check(t, "open", err)
	t.Cleanup(func() { img.Close() })
	g := &guest{t: t, ctx: ctx, img: img, path: image}
	g.fs, err = img.Mount("/dev/sda")
	rig.Check(t, "mount", err)
	g.other, err = img.Mount("/dev/sdb", unboot.ReadOnly())
	rig.Check(t, "mount", err)
	if err := g.fs.Command("/bin/true").Run(); errors.Is(err, lkl.ErrNoPrograms) {
		t.Skip(err)
	} else {
		rig.Check(t, "true", err)
	}
	return g
}

// attack runs the hostile program, which may end as it likes, but must end.
func (g *guest) attack(args ...string) (out string, err error) {
	g.t.Helper()
	data, err := g.fs.CommandContext(g.ctx, "/bin/hostile", args...).CombinedOutput()
	if g.ctx.Err() != nil {
		g.t.Fatalf("%q did not end: %q, %v", args, data, err)
	}
	return string(data), err
}

// sum is what the kernel says of the other file system.
func (g *guest) sum() string {
	h := sha256.New()
	err := fs.WalkDir(g.other, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(h, path, info.Mode(), info.Size(), info.ModTime())
		if d.Type().IsRegular() && info.Size() < 1<<20 {
			data, err := g.other.ReadFile(path)
			if err != nil {
				return err
			}
			h.Write(data)
		}
		return nil
	})
	rig.Check(g.t, "walk", err)
	return fmt.Sprintf("%x", h.Sum(nil))
}

// close closes the image, which must be as after use or, if the kernel has ended, as after a
// power cut.
func (g *guest) close(killed bool) {
	g.t.Helper()
	err := g.img.Close()
	if !killed {
		rig.Check(g.t, "close", err)
	} else if out, err := testimg.Run("e2fsck", "-fp", g.path); err != nil && !strings.Contains(err.Error(), "exit status 1") {
		g.t.Errorf("e2fsck after a power cut: %v %s", err, out)
	}
	if out, err := testimg.Run("e2fsck", "-fn", g.path); err != nil {
		g.t.Errorf("e2fsck: %v %s", err, out)
	}
}

// TestProgramAttacks runs a program that attacks the process in which it runs. Only programs
// of the same kernel may notice.
func TestProgramAttacks(t *testing.T) {
	image := guestImage(t)
	size := strconv.Itoa(programMemory)
	for _, a := range []struct {
		name string
		args []string
	}{
		{"every call by its own instruction", []string{"calls"}},
		{"every call by the stub's instruction", []string{"jumps"}},
		{"ranges of mappings", []string{"ranges", size}},
		{"all addresses", []string{"touch"}},
		{"the stub's data", []string{"stubs", size, "0.5"}},
		{"turns that are none", []string{"turns", size, "0.5"}},
		{"what the spawner is asked for", []string{"spawner", size, "0.5"}},
		{"mappings without end", []string{"tables", size}},
		{"the end of the stub", []string{"exit"}},
	} {
		t.Run(a.name, func(t *testing.T) {
			g := openGuest(t, testimg.Writable(t, image))
			before := g.sum()
			out, err := g.attack(a.args...)
			t.Logf("%q, %v", out, err)
			if a.args[0] == "ranges" && out != "done\nend\n" {
				t.Errorf("what the filter must refuse was let through: %s", out)
			}
			if a.args[0] == "tables" && out != "1 times\nend\n" && out != "2 times\nend\n" {
				t.Errorf("the host's page tables have no bound: %s", out)
			}
			if after := g.sum(); after != before {
				t.Error("the kernel's own memory has changed")
			}
			if err := g.fs.WriteFile("tmp/file", []byte("text"), 0o600); err != nil {
				t.Errorf("the kernel does not answer: %v", err)
			}
			// it may have taken all stubs with it, which is an error, and no more
			var exit *unboot.ExitError
			if out, err := g.fs.CommandContext(g.ctx, "/bin/cat", "/tmp/file").Output(); string(out) != "text" && !errors.As(err, &exit) || g.ctx.Err() != nil {
				t.Errorf("another program: %q, %v", out, err)
			}
			g.close(false)
		})
	}
}

// TestProgramForgesOthers has one program write to the data of the stubs that others run in.
// These may come to harm, but neither the kernel nor its other file systems.
func TestProgramForgesOthers(t *testing.T) {
	g := openGuest(t, guestImage(t))
	before := g.sum()
	out, err := g.fs.CommandContext(g.ctx, "/bin/sh", "-c",
		fmt.Sprintf(`hostile others %d 3 & p=$!; n=0; while kill -0 $p; do true & cat /bin/busybox | wc -c & n=$((n+1)); wait %%2 %%3; done 2>/dev/null; wait`, programMemory)).CombinedOutput()
	t.Logf("%.200q, %v", out, err)
	if g.ctx.Err() != nil {
		t.Fatal("it did not end")
	}
	if after := g.sum(); after != before {
		t.Error("the kernel's own memory has changed")
	}
	g.close(false)
}

// TestProgramDoesNotAnswer has a program block all signals by which its stub comes back, in
// its own ways. Calls of the parent and other programs go on, and it can be killed.
func TestProgramDoesNotAnswer(t *testing.T) {
	image := guestImage(t)
	for _, how := range []string{"spin", "sleep"} {
		t.Run(how, func(t *testing.T) {
			g := openGuest(t, testimg.Writable(t, image))
			ctx, cancel := context.WithCancel(g.ctx)
			defer cancel()
			c := g.fs.CommandContext(ctx, "/bin/hostile", how)
			rig.Check(t, "start", c.Start())
			time.Sleep(100 * time.Millisecond)
			for range 20 {
				if _, err := g.other.ReadFile("contents/hello"); err != nil {
					t.Fatalf("the kernel does not answer: %v", err)
				}
			}
			if out, err := g.fs.CommandContext(g.ctx, "/bin/echo", "a").Output(); string(out) != "a\n" {
				t.Errorf("another program: %q, %v", out, err)
			}
			cancel()
			var exit *unboot.ExitError
			if err := c.Wait(); !errors.As(err, &exit) || exit.Signal() != syscall.SIGKILL {
				t.Errorf("after it was killed: %v", err)
			}
			g.close(false)
		})
	}
}

// tracedVariable makes this program run attacks on the image that it names.
const tracedVariable = "UNBOOT_TEST_TRACED"

// TestProgramHostCalls looks at all system calls that the host gets while programs attack. Those
// of a stub that the filter has not refused, with SIGSYS, are the few that a stub makes.
func TestProgramHostCalls(t *testing.T) {
	size := strconv.Itoa(programMemory)
	if image := os.Getenv(tracedVariable); image != "" {
		g := openGuest(t, image)
		for _, args := range [][]string{{"calls"}, {"jumps"}, {"ranges", size}, {"stubs", size, "0.1"}, {"turns", size, "0.1"}, {"spawner", size, "0.1"}} {
			g.attack(args...)
		}
		return
	}
	testimg.NeedRoot(t)
	testimg.Need(t, "strace")
	openGuest(t, guestImage(t)).img.Close() // skips
	dir := t.TempDir()
	self, err := os.Executable()
	rig.Check(t, "executable", err)
	cmd := exec.Command("strace", "-ff", "-qq", "-o", dir+"/trace", self, "-test.run=^TestProgramHostCalls$")
	cmd.Env = append(os.Environ(), tracedVariable+"="+guestImage(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(dir + "/trace.*")
	rig.Check(t, "glob", err)
	stubs, refused := 0, 0
	for _, f := range files {
		data, err := os.ReadFile(f)
		rig.Check(t, "read", err)
		_, sealed, found := strings.Cut(string(data), "seccomp(SECCOMP_SET_MODE_FILTER")
		if !strings.Contains(string(data), `PR_SET_NAME, "unboot-program"`) {
			if found && strings.Contains(sealed, "SIGSYS") { // Go asks for its action before that
				t.Errorf("another process made a forbidden call: %s", f)
			}
			continue
		}
		if !found {
			continue // it was killed before
		}
		stubs++
		refused += judgeTrace(t, sealed)
	}
	t.Logf("%d stubs, %d calls refused", stubs, refused)
	if stubs == 0 || refused < 1000 {
		t.Error("the attacks did not take place")
	}
}

var callLine = regexp.MustCompile(`^(\w+)\(`)

// judgeTrace looks at what a stub has done since it was sealed, and counts what was refused.
func judgeTrace(t *testing.T, trace string) (refused int) {
	t.Helper()
	allowed := map[string]bool{"mmap": true, "munmap": true, "futex": true, "rt_sigreturn": true, "exit_group": true, "restart_syscall": true,
		// uretprobe(2) and uprobe(2), which pass any filter, and do nothing outside of a probe
		"syscall_0x14f": true, "syscall_0x150": true, "uretprobe": true, "uprobe": true}
	lines := strings.Split(trace, "\n")
	for i, l := range lines[1:] {
		m := callLine.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		if i+2 < len(lines) && strings.HasPrefix(lines[i+2], "--- SIGSYS") {
			refused++
		} else if !allowed[m[1]] && !strings.HasPrefix(l, "arch_prctl(ARCH_SET_") && !strings.HasSuffix(l, "= ?") {
			t.Errorf("a call of the host was let through: %s", l)
		}
	}
	return refused
}
