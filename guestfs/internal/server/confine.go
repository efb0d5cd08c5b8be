package server

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/landlock"
)

// # What tools of the host may do
//
// If this program is root, they run as nobody. Where the host allows it, they have no
// network, can write to nothing but their workshop, and read nothing but what programs
// are made of. They get no more memory than half of the host's. The size of their files is
// not limited: xfs_repair does nothing if it cannot lift that limit.

// nobody runs tools for root.
const nobody = 65534

// toolReadable is what tools can read: themselves, their libraries and settings, and what
// the host's kernel says.
var toolReadable = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix", "/gnu",
	"/proc", "/sys", "/dev/random", "/dev/urandom",
}

// toolWritable is what they can write to besides their workshop.
var toolWritable = []string{"/dev/null", "/dev/zero", "/dev/full"}

// onThread calls f, which starts a tool that is at path and waits for its end, on a thread
// that is confined, and with it what it starts. The channel is closed at the end of f, and
// so is the thread, which has to live until then: its end is what tells a tool that we are
// gone. What mounts cannot be confined.
func (w *workshop) onThread(path string, mounts bool, f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked
		if !mounts {
			// Not all hosts can.
			landlock.Restrict(w.rules(path))
		}
		f()
	}()
	return done
}

func (w *workshop) rules(path string) landlock.Rules {
	r := landlock.Rules{Read: toolReadable, Write: append([]string{w.dir}, toolWritable...)}
	if w.owner == nil {
		// Who it is in a user namespace of its own is said by its parent, which is
		// confined as well, in /proc/PID/uid_map. What else can be written there, of
		// processes outside, Landlock forbids by itself.
		r.Write = append(r.Write, "/proc")
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		r.Read = append([]string{filepath.Dir(real)}, r.Read...)
	}
	return r
}

// withLimits returns a command that bounds the memory of a tool, and runs it.
// Where there is no prlimit(1), it is the tool alone.
func withLimits(path string, args []string) []string {
	argv := append([]string{path}, args...)
	prlimit, err := findTool("prlimit")
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
// What reads what it has not made itself has no use for a network.
func (w *workshop) attributes(t tool) []*syscall.SysProcAttr {
	plain := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: w.owner}
	if t.use == toolMakes && t.in == nil {
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
