package hosttool

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/landlock"
)

// readable is what tools can read: themselves, their libraries and settings, and what
// the host's kernel says.
var readable = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix", "/gnu",
	"/proc", "/sys", "/dev/random", "/dev/urandom",
}

// writable is what they can write to besides their workshop.
var writable = []string{"/dev/null", "/dev/zero", "/dev/full"}

// onThread calls f, which starts a tool and waits for its end, on a thread that is
// confined, and with it what it starts, which are the programs at some paths. The channel is
// closed at the end of f, and the thread ends then: it has to live until then, as its end is
// the parent's death to the tool (PR_SET_PDEATHSIG). What mounts cannot be confined.
func (w *Workshop) onThread(programs []string, mounts bool, f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if !mounts {
			// Not all hosts can.
			landlock.Restrict(w.rules(programs))
		}
		f()
	}()
	return done
}

func (w *Workshop) rules(programs []string) landlock.Rules {
	r := landlock.Rules{Read: readable, Write: append([]string{w.dir}, writable...)}
	if w.owner == nil {
		// The parent of a process in a new user namespace writes /proc/PID/uid_map, and
		// is confined as well. What else can be written there, of processes outside,
		// Landlock forbids by itself.
		r.Write = append(r.Write, "/proc")
	}
	for _, path := range programs {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			r.Read = append([]string{filepath.Dir(real)}, r.Read...)
		}
	}
	return r
}

// withLimits returns a command that bounds the memory of a tool, and runs it.
// Where there is no prlimit(1), it is the tool alone.
func withLimits(path string, args []string) []string {
	argv := append([]string{path}, args...)
	prlimit, err := Find("prlimit")
	if err != nil {
		return argv
	}
	limits := []string{prlimit, "--core=0"}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		limits = append(limits, fmt.Sprintf("--data=%d", info.Totalram*uint64(info.Unit)/2))
	}
	return append(append(limits, "--"), argv...)
}

// attributes returns what to start a tool with, the best first: a host may not allow it.
// A tool that reads what it has not made itself gets no network.
func (w *Workshop) attributes(c Command) []*syscall.SysProcAttr {
	plain := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: w.owner}
	if c.Use == Makes && c.In == nil {
		return []*syscall.SysProcAttr{plain}
	}
	confined := *plain
	confined.Cloneflags = unix.CLONE_NEWNET | unix.CLONE_NEWIPC
	if w.owner == nil {
		uid, gid := os.Geteuid(), os.Getegid()
		confined.Cloneflags |= unix.CLONE_NEWUSER
		confined.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		confined.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	}
	return []*syscall.SysProcAttr{&confined, plain}
}
