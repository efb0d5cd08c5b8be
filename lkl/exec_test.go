package lkl

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

// tryPrograms boots the fake kernel with memory for programs, and a spawner beside it.
func tryPrograms(t *testing.T, cfg *Config) (*Kernel, error) {
	t.Helper()
	exe, err := os.Executable()
	must(t, "executable", err)
	dir := t.TempDir()
	for _, name := range []string{"vmlinux", "stub"} {
		must(t, "link", os.Symlink(exe, filepath.Join(dir, name)))
	}
	t.Setenv(vmlinux.Variable, filepath.Join(dir, "vmlinux"))
	if cfg.Programs == 0 {
		cfg.Programs = MinPrograms
	}
	return Boot(context.Background(), cfg)
}

func bootPrograms(t *testing.T, cfg *Config) *Kernel {
	t.Helper()
	k, err := tryPrograms(t, cfg)
	if err != nil {
		t.Fatalf("boot: %+v", err)
	}
	t.Cleanup(k.Kill)
	return k
}

// shell is an Exec of a script of the host's shell.
func shell(script string) *Exec {
	return &Exec{File: "/bin/sh", Args: []string{"sh", "-c", script}, Fds: [3]int{-1, -1, -1}}
}

func TestExec(t *testing.T) {
	var mu sync.Mutex
	var log string
	k := bootPrograms(t, &Config{Log: func(line string) {
		mu.Lock()
		log += line + "\n"
		mu.Unlock()
	}})
	out := filepath.Join(t.TempDir(), "out")
	fd, err := k.Open(out, unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	must(t, "open", err)
	dir := t.TempDir()
	long := strings.Repeat("x", 100_000)
	x := &Exec{
		File: "/bin/sh", Args: []string{"called", "-c", `echo "$0" $# ${#1} "$PWD" "$A" >&1; exit 3`, "zero", long},
		Env: []string{"A=a b", "PATH=/bin"}, Dir: dir, Fds: [3]int{-1, fd, -1},
		Mounts: []ExecMount{
			{Fd: 70, Target: "/"},
			{Fd: MOUNT_PROC, Target: "/proc", Optional: true},
		},
		Identity: Identity{UID: 5, GID: 6, Groups: []uint32{7, 8}, Umask: 0o27},
		CPUTime:  time.Second + 1, Processes: 9, Hostname: "host", Terminal: true,
	}
	p, err := k.Exec(x)
	must(t, "exec", err)
	defer p.Close()
	for range 2 {
		e, err := p.Wait()
		must(t, "wait", err)
		if e.Status.ExitStatus() != 3 || !e.Status.Exited() || e.MaxRSS < 1<<16 || e.UserTime+e.SystemTime <= 0 {
			t.Errorf("%+v", e)
		}
	}
	if err := p.Kill(unix.SIGTERM, 0); err != unix.ESRCH {
		t.Errorf("signal to what has ended: %v", err)
	}
	text, _ := os.ReadFile(out)
	if want := "zero 1 100000 " + dir + " a b\n"; string(text) != want {
		t.Errorf("%.200q, want %q", text, want)
	}
	must(t, "close", p.Close())
	must(t, "close again", p.Close())
	if _, err := p.Wait(); err != unix.EBADF {
		t.Errorf("wait after close: %v", err)
	}
	must(t, "close", k.Close())
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{
		"exec /bin/sh in " + dir + ` as 5 6 27 [7 8] of "host" cpu 2 processes 9 flags 0x1`,
		"mount 70 on / flags 0x0", "mount -1 on /proc flags 0x1",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in %s", want, log)
		}
	}
}

// What the kernel would not take never gets there, and an execve(2) that fails says why.
func TestExecErrors(t *testing.T) {
	k := bootPrograms(t, &Config{})
	ok := shell("exit 0")
	many := make([]string, execWords+1)
	for _, tt := range []struct {
		name   string
		change func(x *Exec)
		want   error
	}{
		{"arguments", func(x *Exec) { x.Args = many }, unix.E2BIG},
		{"environment", func(x *Exec) { x.Env = many }, unix.E2BIG},
		{"bytes", func(x *Exec) { x.Env = []string{strings.Repeat("x", execStrings)} }, unix.E2BIG},
		{"no name", func(x *Exec) { x.Args = nil }, unix.EINVAL},
		{"NUL", func(x *Exec) { x.Args = []string{"a\x00b"} }, unix.EINVAL},
		{"NUL in a variable", func(x *Exec) { x.Env = []string{"a\x00b"} }, unix.EINVAL},
		{"NUL in the path", func(x *Exec) { x.File = "/bin/sh\x00" }, unix.EINVAL},
		{"relative", func(x *Exec) { x.File = "sh" }, unix.EINVAL},
		{"relative directory", func(x *Exec) { x.Dir = "tmp" }, unix.EINVAL},
		{"long path", func(x *Exec) { x.File = "/" + strings.Repeat("x", pathMax) }, unix.ENAMETOOLONG},
		{"mounts", func(x *Exec) { x.Mounts = make([]ExecMount, execMounts+1) }, unix.EINVAL},
		{"relative mount", func(x *Exec) { x.Mounts = []ExecMount{{Target: "a"}} }, unix.EINVAL},
		{"long mount", func(x *Exec) { x.Mounts = []ExecMount{{Target: "/" + strings.Repeat("x", pathMax)}} }, unix.ENAMETOOLONG},
		{"host name", func(x *Exec) { x.Hostname = strings.Repeat("x", hostnameSize) }, unix.EINVAL},
		{"processes", func(x *Exec) { x.Processes = -1 }, unix.EINVAL},
		{"time", func(x *Exec) { x.CPUTime = -1 }, unix.EINVAL},
		{"groups", func(x *Exec) { x.Identity.Groups = make([]uint32, groupsMax+1) }, unix.EINVAL},
		{"no file", func(x *Exec) { x.File = "/no/such" }, unix.ENOENT},
		{"no permission", func(x *Exec) { x.File = "/etc/passwd" }, unix.EACCES},
	} {
		x := *ok
		tt.change(&x)
		if p, err := k.Exec(&x); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
			if p != nil {
				p.Close()
			}
		}
	}
	// The most that there can be, at once.
	full := *ok
	full.Args = append(slices.Clone(ok.Args), strings.Repeat("x", 100_000))
	for len(full.Mounts) < execMounts {
		full.Mounts = append(full.Mounts, ExecMount{Fd: -1, Target: "/" + strings.Repeat("y", pathMax-2)})
	}
	for full.stringsSize() < execStrings-130_000 {
		full.Env = append(full.Env, "A="+strings.Repeat("z", 120_000))
	}
	full.Env = append(full.Env, "B="+strings.Repeat("z", execStrings-full.stringsSize()-3))
	if n := full.stringsSize(); n != execStrings {
		t.Fatalf("%d bytes", n)
	}
	p, err := k.Exec(&full)
	must(t, "a full exec", err)
	must(t, "close", p.Close())
	if n := k.state.programs.running.Load(); n != 0 {
		t.Errorf("%d programs left", n)
	}
}

// Nothing of programs is there before the first one.
func TestProgramsBefore(t *testing.T) {
	k := bootPrograms(t, &Config{Programs: MinPrograms + 1})
	if n := k.state.w.header.Programs; n != MinPrograms+programsUnit {
		t.Errorf("%d bytes", n)
	}
	before := len(descriptors())
	p, err := k.Exec(shell("exit 0"))
	must(t, "exec", err)
	must(t, "close", p.Close())
	if after := len(descriptors()); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	first := k.state.programs.spawner.pid
	p, err = k.Exec(shell("exit 0"))
	must(t, "exec", err)
	must(t, "close", p.Close())
	if again := k.state.programs.spawner.pid; first == 0 || again != first {
		t.Errorf("spawners %d and %d", first, again)
	}
}

// A kernel without programs says so, and is as good as before for all the rest.
func TestNoPrograms(t *testing.T) {
	for _, tt := range []struct{ cmdline, want string }{
		{"fake=noprograms", "built without"},
	} {
		k := bootPrograms(t, &Config{Cmdline: tt.cmdline})
		for range 2 {
			if _, err := k.Exec(shell("exit 0")); !errors.Is(err, ErrNoPrograms) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v", tt.cmdline, err)
			}
		}
		f, err := NewOverlay(t.TempDir())
		must(t, "file", err)
		must(t, "size", f.Truncate(1<<20))
		_, err = k.AttachDisk(Disk{File: f})
		must(t, "attach", err)
		f.Close()
		must(t, "close", k.Close())
	}
	k := bootFake(t, nil)
	if _, err := k.Exec(shell("exit 0")); !errors.Is(err, ErrNoPrograms) {
		t.Errorf("without memory: %v", err)
	}
	t.Run("no stub", func(t *testing.T) {
		k := bootPrograms(t, &Config{})
		must(t, "remove", os.Remove(filepath.Join(filepath.Dir(os.Getenv(vmlinux.Variable)), "stub")))
		if _, err := k.Exec(shell("exit 0")); !errors.Is(err, ErrNoPrograms) {
			t.Errorf("without the stub: %v", err)
		}
	})
	for _, n := range []int64{1, MinPrograms - 1, MaxMemory + 1, -1} {
		if _, err := tryPrograms(t, &Config{Programs: n}); err == nil {
			t.Errorf("%d bytes are taken", n)
		}
	}
}

func TestProgramKill(t *testing.T) {
	k := bootPrograms(t, &Config{})
	p, err := k.Exec(shell("exec sleep 1000"))
	must(t, "exec", err)
	waits := make(chan error)
	for range 3 {
		go func() {
			e, err := p.Wait()
			if err == nil && e.Status.Signal() != unix.SIGUSR1 {
				err = errors.New(e.Status.Signal().String())
			}
			waits <- err
		}()
	}
	must(t, "signal", p.Kill(unix.SIGCONT, KILL_GROUP))
	must(t, "kill", p.Kill(unix.SIGUSR1, 0))
	for range 3 {
		must(t, "wait", <-waits)
	}
	must(t, "close", p.Close())

	// Close ends what runs, and those who wait for it.
	p, err = k.Exec(shell("exec sleep 1000"))
	must(t, "exec", err)
	go func() {
		e, err := p.Wait()
		if err == nil && e.Status.Signal() != unix.SIGKILL {
			err = errors.New(e.Status.Signal().String())
		}
		waits <- err
	}()
	must(t, "close", p.Close())
	if err := <-waits; err != nil && err != unix.EBADF {
		t.Error(err)
	}
	if err := p.Kill(unix.SIGKILL, 0); err != unix.ESRCH {
		t.Errorf("kill after close: %v", err)
	}
}

// There is a bound to how many run at once, and those that run do not keep others from
// making calls.
func TestManyPrograms(t *testing.T) {
	k := bootPrograms(t, &Config{})
	var all []*Program
	var waits sync.WaitGroup
	for range MaxPrograms {
		p, err := k.Exec(shell("exec sleep 1000"))
		must(t, "exec", err)
		all = append(all, p)
		waits.Go(func() { p.Wait() })
	}
	if _, err := k.Exec(shell("exit 0")); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("one more: %v", err)
	}
	if n := k.state.w.header.Workers; n != MaxWorkers {
		t.Errorf("%d workers", n)
	}
	for _, p := range all {
		must(t, "close", p.Close())
	}
	waits.Wait()
	p, err := k.Exec(shell("exit 0"))
	must(t, "exec", err)
	must(t, "close", p.Close())
}

// The end of the spawner is that of the kernel.
func TestSpawnerEnds(t *testing.T) {
	k := bootPrograms(t, &Config{})
	p, err := k.Exec(shell("exec sleep 1000"))
	must(t, "exec", err)
	unix.Kill(k.state.programs.spawner.pid, unix.SIGKILL)
	_, err = p.Wait()
	const want = "lkl: kernel killed: the process that makes its programs' memory has ended: killed"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v", err)
	}
	if _, err := k.Exec(shell("exit 0")); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("exec: %v", err)
	}
	if err := p.Close(); err == nil {
		t.Error("close says nothing")
	}
}

// A spawner that cannot do its work is reported, with its exit code.
func TestSpawnerFails(t *testing.T) {
	k := bootPrograms(t, &Config{})
	stub := filepath.Join(filepath.Dir(os.Getenv(vmlinux.Variable)), "stub")
	must(t, "remove", os.Remove(stub))
	must(t, "link", os.Symlink("/bin/false", stub))
	if p, err := k.Exec(shell("exec sleep 1000")); err == nil {
		p.Wait()
	}
	<-k.Done()
	if err := k.Err(); !strings.Contains(err.Error(), "has ended: exit code 1") {
		t.Errorf("%v", err)
	}
}

// The end of the kernel, of any kind, is that of the spawner.
func TestKernelEnds(t *testing.T) {
	for name, end := range map[string]func(k *Kernel){
		"close":  func(k *Kernel) { k.Close() },
		"kill":   func(k *Kernel) { k.Kill() },
		"killed": func(k *Kernel) { unix.Kill(k.Pid(), unix.SIGKILL); <-k.gone },
		"exit":   func(k *Kernel) { k.call(fakeExit, 3); <-k.gone },
	} {
		k := bootPrograms(t, &Config{})
		p, err := k.Exec(shell("exec sleep 1000"))
		must(t, "exec", err)
		pid := k.state.programs.spawner.pid
		must(t, "spawner", unix.Kill(pid, 0))
		end(k)
		if err := unix.Kill(pid, 0); err != unix.ESRCH {
			t.Errorf("%s: the spawner: %v", name, err)
		}
		if err := k.Err(); strings.Contains(err.Error(), "programs' memory") {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
		if _, err := k.Exec(shell("exit 0")); err == nil || err.Error() != k.Err().Error() {
			t.Errorf("%s: exec: %v", name, err)
		}
	}
}
