package program

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// openLarge makes a guest with room for programs of the host and their libraries.
func openLarge(t testing.TB, options ...unboot.Option) *guest {
	t.Helper()
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 512 << 20}))
	img, err := unboot.Open(context.Background(), image, append(options, unboot.Writable())...)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "opening", err)
	t.Cleanup(func() {
		rig.Check(t, "closing", img.Close())
		if out, err := testimg.Run("e2fsck", "-fn", image); err != nil {
			t.Errorf("e2fsck: %v\n%s", err, out)
		}
	})
	f, err := img.MountAuto()
	rig.Check(t, "mounting", err)
	g := &guest{t, f}
	for _, dir := range []string{"dev", "proc", "sys", "tmp", "run", "bin"} {
		rig.Check(t, "making a folder", f.MkdirAll(dir, 0o755))
	}
	busybox, err := testimg.Tool("busybox")
	rig.Check(t, "busybox", err)
	g.put(busybox, "/bin/sh")
	return g
}

var library = regexp.MustCompile(`/\S+`)

// putProgram copies a program of the host with its libraries.
func (g *guest) putProgram(name string) (path string) {
	g.t.Helper()
	testimg.Need(g.t, name)
	path, err := exec.LookPath(name)
	rig.Check(g.t, name, err)
	g.put(path, path)
	out, err := exec.Command("ldd", path).Output()
	rig.Check(g.t, "ldd", err)
	for _, l := range library.FindAllString(string(out), -1) {
		g.put(l, l)
	}
	return path
}

// putTree copies a folder of the host, without what is below folders of its own that skip names.
func (g *guest) putTree(dir string, skip func(name string) bool) {
	g.t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != dir && skip(d.Name()) {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			g.put(p, p)
		}
		return nil
	})
	rig.Check(g.t, "copying "+dir, err)
}

func wants(t *testing.T, out string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(out) {
			t.Errorf("nothing like %q in:\n%s", p, out)
			return
		}
	}
}

func TestStrace(t *testing.T) {
	g := openLarge(t)
	strace := g.putProgram("strace")
	ls := g.putProgram("ls")
	wants(t, g.run(strace, "-f", ls, "/"), `execve\(".*/ls", \[".*/ls", "/"\], `, `openat\(AT_FDCWD, "/",.*O_DIRECTORY`,
		`getdents64\(`, `(?m)^proc$`, `write\(1, "`, `\+\+\+ exited with 0 \+\+\+`)
	wants(t, g.run(strace, "-f", "-c", ls, "/nowhere"), `total`, `No such file`, `exit status 2`)
	wants(t, g.run(strace, "-f", "/bin/sh", "-c", "(exit 3); kill -9 $$"), `\[pid +\d+\] .*exit_group\(3\)`,
		`SIGCHLD.*si_status=3`, `\+\+\+ killed by SIGKILL \+\+\+`)
	wants(t, g.run(strace, "-e", "inject=getppid:error=EPERM", "-e", "trace=getppid", "--seccomp-bpf", "-f", "/bin/sh", "-c", "echo $PPID"), `exited with`)
	wants(t, g.run(strace, "-k", "-e", "trace=write", ls, "/"), `write\(1`)
}

// setsRegisters reports whether the host's gdb can call a function of a program there: where
// the processor has AMX, gdb 13 does not know the size of its registers.
func setsRegisters(t *testing.T, program string) bool {
	t.Helper()
	out, err := exec.Command("gdb", "-batch", "-nx", "-iex", "set auto-load off", "-ex", "break twice", "-ex", "run",
		"-ex", "print (int)twice(21, 1.5)", program).CombinedOutput()
	if strings.Contains(string(out), "Couldn't write extended state") {
		t.Logf("gdb cannot call functions on this host either: %v: %s", err, out)
		return false
	}
	return true
}

func TestGDB(t *testing.T) {
	testimg.Need(t, "gdb")
	testimg.Need(t, "gcc")
	g := openLarge(t)
	gdb := g.putProgram("gdb")
	// it has Python in it, which does not begin without its own library
	for _, dir := range []string{"/usr/lib/python3.11", "/usr/lib/python3.13", "/usr/share/gdb/python", "/usr/share/gdb/syscalls"} {
		if _, err := os.Stat(dir); err == nil {
			g.putTree(dir, func(name string) bool {
				return strings.Contains(name, "-packages") || strings.HasPrefix(name, "config-") ||
					name == "test" || name == "tests" || name == "__pycache__" || name == "lib2to3" || name == "idlelib" || name == "ensurepip"
			})
		}
	}
	out := filepath.Join(t.TempDir(), "debugged")
	testimg.MustRun(t, "gcc", "-g", "-O0", "-pthread", "-o", out, "testdata/debugged/debugged.c")
	g.put(out, "/debugged")
	for _, l := range library.FindAllString(testimg.MustRun(t, "ldd", out), -1) {
		g.put(l, l)
		if db := filepath.Join(filepath.Dir(l), "libthread_db.so.1"); strings.Contains(l, "libc.so") {
			g.put(db, db)
		}
	}
	got := g.run(gdb, "-batch", "-nx", "-iex", "set auto-load off", "-ex", "break twice", "-ex", "run", "-ex", "backtrace", "-ex", "print n", "-ex", "print half",
		"-ex", "next", "-ex", "print r", "-ex", "set var r = 50", "-ex", "stepi", "-ex", "finish", "-ex", "delete",
		"-ex", "info threads", "-ex", "print $rip != 0", "-ex", "print (int)twice(21, 1.5)", "-ex", "print $xmm3.v2_double",
		"-ex", "break in_thread", "-ex", "continue", "-ex", "info threads", "-ex", "delete", "-ex", "info proc mappings", "-ex", "continue", "/debugged")
	wants(t, got, `Breakpoint 1, twice \(n=4, half=2.5\)`, `#1 .* main \(`, `\$1 = 4\n`, `\$2 = 2.5\n`, `\$3 = 8\n`, `Value returned is \$4 = 50`,
		`\* 1 .*main \(`, `\$5 = 1\n`, `hit Breakpoint 2, in_thread`, `\* 2 .*in_thread`, `\[vdso\]`,
		`the sum is 50`, `exited with code 07`)
	if setsRegisters(t, out) {
		wants(t, got, `\$6 = 42\n`, `\$7 = \{`)
	}
	got = g.run(gdb, "-batch", "-nx", "-iex", "set auto-load off", "-ex", "run fault", "-ex", "backtrace", "-ex", "print $_siginfo.si_signo",
		"-ex", "print $_siginfo._sifields._sigfault.si_addr", "/debugged")
	wants(t, got, `received signal SIGSEGV`, `#0 .* fault \(\)`, `\$1 = 11\n`, `\$2 = .*0x20`)
	got = g.run(gdb, "-batch", "-nx", "-iex", "set auto-load off", "-ex", "set can-use-hw-watchpoints 0", "-ex", "break main", "-ex", "run", "-ex", "watch total", "-ex", "continue", "/debugged")
	wants(t, got, `Old value = 0\s+New value = 8`)
	// without watchpoints of the processor it says so, and goes on
	got = g.run(gdb, "-batch", "-nx", "-iex", "set auto-load off", "-ex", "break main", "-ex", "run", "-ex", "watch total", "-ex", "continue", "-ex", "print 5", "/debugged")
	wants(t, got, `\$1 = 5`)
}
