package unboot

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/unboot/unboot/lkl"
)

// A Cmd is a program of a guest that is being prepared or run, in the words of package
// os/exec: what is not said here is as there. The program runs unmodified, with the image's
// kernel as its kernel, as root of the guest unless User or Credential say otherwise. It
// reaches nothing of the host but what it is given.
//
// Each command is in a container of its own: it sees the tree as "/", only its own processes,
// a /proc and a /sys, the image's devices in /dev, and an empty /run. When the program has
// ended, what it has left running is killed, and what was mounted for it is gone: nothing has
// to be undone in the guest. What has been written to the tree is on the disk when Wait
// returns.
//
// A Cmd cannot be used again once it has been started. Its fields must not be changed after
// Start.
type Cmd struct {
	// Path is the program's path in the tree, where symbolic links stay inside. One without
	// a slash is looked up in the directories of PATH in Env when the command is started.
	Path string

	// Args are the arguments; the first is the name that the program is called by. If
	// there are none, that is Path.
	Args []string

	// Env is the environment, "NAME=value" each; of several with one name the last
	// counts. If it is nil, it is a PATH of the usual directories, and HOME, USER, LOGNAME
	// and SHELL as the guest's passwd(5) has them for the user.
	Env []string

	// Dir is the working directory, a path in the tree; if it is empty, "/".
	Dir string

	// Stdin is what the program reads, and Stdout and Stderr are what it writes to. All of
	// them are streamed by goroutines, also those that are an *os.File, and nil is
	// /dev/null. If Stdout and Stderr are equal, only one goroutine calls Write at a time.
	//
	// Wait does not return before all output has been written. If Stdin is not an
	// *os.File, it also waits until a Read of it that is under way has returned: WaitDelay
	// bounds that. Up to a pipe's worth of Stdin, 64 KiB, may have been read that the
	// program did not take.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer

	// User is who the program is run by: a name of the guest's passwd(5), with the groups
	// that group(5) gives it, or a number; and, after a colon, the name or number of
	// another group. If it is empty, it is root. A number that passwd(5) does not have is in
	// group 0.
	User string

	// Credential, if it is not nil, is who the program is run by instead, with
	// supplementary groups and umask.
	Credential *lkl.Identity

	// Tty, if it is not nil, gives the program a terminal of that size: Stdin and Stdout
	// are what is typed and shown there, and Stderr must be nil.
	Tty *Winsize

	// Hostname is what the program sees as the host's name, at most 63 bytes; if it is
	// empty, that of the guest's hostname(5).
	Hostname string

	// Mounts are made after all others, in this order.
	Mounts []CmdMount

	// CPUTime bounds the processor time of each of the command's processes, which is ended
	// by SIGXCPU or SIGKILL; 0 is no limit. Processes is how many processes and threads it
	// can have at a time; 0 is the kernel's own limit.
	CPUTime   time.Duration
	Processes int

	// Cancel is called when the context of [FS.CommandContext] ends before the command
	// does. By default it is [Cmd.Kill]. See exec.Cmd.
	Cancel func() error

	// WaitDelay, if it is not 0, bounds how long Wait waits, once the context or the
	// program has ended, for the program and for the goroutines that stream. The error is
	// then exec.ErrWaitDelay, unless there is another. See exec.Cmd.
	WaitDelay time.Duration

	// ProcessState says how the program has ended, after Wait.
	ProcessState *ProcessState

	img *Image
	f   *FS             // whose root is the program's; nil for a tool
	ctx context.Context // nil without one
	err error           // of what made it: Start returns it

	mu      sync.Mutex
	started bool // guarded by mu
	waited  bool // guarded by mu

	streams streams
	program *lkl.Program   // constant when Start has returned
	syncs   []int          // descriptors of the file systems to be synced at the end
	release []func() error // what is left to do for mounts at the end
	ended   chan struct{}  // closed when the program is gone, and all is synced and released
	exit    *lkl.Exit      // constant when ended is closed, as endErr is: why it is not known,
	endErr  error          // or what was not synced
	watched chan ctxResult
}

// Command returns the command that runs a program of the tree with arguments.
func (f *FS) Command(name string, arg ...string) *Cmd {
	return &Cmd{Path: name, Args: append([]string{name}, arg...), img: f.t.img, f: f}
}

// CommandContext is [FS.Command] with a context: when it ends before the command does,
// Cancel is called. ctx must not be nil.
func (f *FS) CommandContext(ctx context.Context, name string, arg ...string) *Cmd {
	return f.Command(name, arg...).with(ctx)
}

// with gives a command its context.
func (c *Cmd) with(ctx context.Context) *Cmd {
	if ctx == nil {
		panic("nil Context")
	}
	c.ctx = ctx
	c.Cancel = c.Kill
	return c
}

// String returns the command for a person to read, not for a shell.
func (c *Cmd) String() string {
	if len(c.Args) == 0 {
		return c.Path
	}
	return strings.Join(append([]string{c.Path}, c.Args[1:]...), " ")
}

// kernel returns the kernel that runs the command.
func (c *Cmd) kernel() *lkl.Kernel { return c.img.k }
