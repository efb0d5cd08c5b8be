package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
)

// A stress is a class of stress-ng(1): what it does, many times, to the kernel.
type stress struct{ name, options string }

// stresses are what is done. The numbers keep it within the memory and the disk of the guest.
var stresses = []stress{
	{"cpu", "--cpu 2"},
	{"vm", "--vm 2 --vm-bytes 48M"},
	{"fork", "--fork 2 --vfork 1 --clone 1 --clone-max 32"},
	{"signal", "--sigq 1 --sigsegv 1 --sigfpe 1 --sigpending 1 --sigsuspend 1 --sigchld 1 --sigfd 1 --sigabrt 1"},
	{"pipe", "--pipe 2 --fifo 1 --fifo-readers 2"},
	{"futex", "--futex 2 --sem 1 --mutex 1 --pthread 1 --pthread-max 32"},
	// One round of mmapfork takes all memory that programs can have. Where that runs out, the kernel
	// looks for pages in vain before it kills somebody, so a minute can become five.
	{"mmap", "--mmap 1 --mmap-bytes 32M --mmapfork 1 --mremap 1 --mremap-bytes 16M --madvise 1 --fault 1"},
	{"file", "--hdd 1 --hdd-bytes 24M --dentry 1 --dentries 256 --rename 1 --link 1 --flock 1 --fallocate 1 --fallocate-bytes 24M --seek 1 --seek-size 8M"},
	{"wait", "--poll 1 --epoll 1 --eventfd 1 --timer 1 --timerfd 1 --itimer 1 --nanosleep 1 --inotify 1"},
	{"ipc", "--sock 1 --shm 1 --shm-bytes 4M --msg 1 --mq 1 --sem-sysv 1 --memfd 1 --memfd-bytes 16M --pty 1"},
	{"exec", "--exec 2 --exec-max 4 --ptrace 1 --wait 1 --zombie 1 --zombie-max 64"},
}

// trouble is what the kernel's log has when something is wrong with the kernel.
var trouble = regexp.MustCompile(`BUG|WARNING|Oops|Call Trace|soft lockup|blocked for more than|EXT4-fs error|bad page`)

// TestStress gives each class two seconds: on a busy machine, one may be over before a stressor
// has made its first thread, which it then reports as a want of resources.
func TestStress(t *testing.T) {
	if testing.Short() {
		t.Skip("some seconds each of stress-ng's classes")
	}
	runStress(t, 2*time.Second)
}

// TestSoakStress shares out what UNBOOT_SOAK says among the classes.
func TestSoakStress(t *testing.T) {
	value := os.Getenv("UNBOOT_SOAK")
	if value == "" {
		t.Skip("UNBOOT_SOAK does not say how long")
	}
	d, err := time.ParseDuration(value)
	rig.Check(t, "UNBOOT_SOAK", err)
	runStress(t, max(time.Second, d/time.Duration(len(stresses))))
}

// runStress runs each class for that long, all of them on one kernel: none of its
// processes is stuck afterwards, and neither is the kernel.
func runStress(t *testing.T, each time.Duration) {
	testimg.Need(t, "stress-ng")
	log := &kernelLog{}
	g := openLarge(t, unboot.Log(log.add))
	program := g.putProgram("stress-ng")
	for _, s := range stresses {
		t.Run(s.name, func(t *testing.T) {
			g := &guest{t, g.fs}
			g.stress(program, s, each)
			log.judge(t)
			if got := g.run("/bin/sh", "-c", "echo alive; exit 3"); got != "alive\nexit status 3\n" {
				t.Fatalf("afterwards, a program says %q", got)
			}
		})
	}
}

// stress runs one class, which is to end by itself.
func (g *guest) stress(program string, s stress, each time.Duration) {
	g.t.Helper()
	rig.Check(g.t, "making a folder", g.fs.MkdirAll("tmp/"+s.name, 0o777))
	ctx, cancel := context.WithTimeout(g.t.Context(), 5*each+2*time.Minute)
	defer cancel()
	args := append(strings.Fields(s.options), "--timeout", fmt.Sprintf("%ds", int(each.Seconds())), "--verify", "--metrics-brief", "--temp-path", "/tmp/"+s.name)
	c := g.fs.CommandContext(ctx, program, args...)
	c.WaitDelay = 10 * time.Second
	out, err := c.CombinedOutput()
	if ctx.Err() != nil {
		g.t.Fatalf("it does not end:\n%s", out)
	}
	var exit *unboot.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 4) { // 4: one is not implemented
		g.t.Errorf("%v:\n%s", err, out)
	}
	g.t.Logf("%s", out)
}

// A kernelLog is what the kernel has said.
type kernelLog struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (l *kernelLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

// judge looks at what was said since it was last asked.
func (l *kernelLog) judge(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if trouble.MatchString(line) {
			t.Errorf("the kernel's log:\n%s", strings.Join(l.lines, "\n"))
			break
		}
	}
	l.lines = nil
}
