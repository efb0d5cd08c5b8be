package lkl

import (
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An Exec says which program is to be started, as execve(2) has it, and in which
// surroundings.
type Exec struct {
	// File is the program: an absolute path in the program's root. No PATH is searched.
	File string
	// Args are its arguments, the name that it is called by included, and Env its
	// environment, "NAME=value" each: at most 8192 of each, and 1 MiB together.
	Args, Env []string
	// Dir is the working directory, an absolute path in the program's root; "" is "/".
	Dir string
	// Fds are descriptors of the kernel that become the program's 0 to 2; -1 leaves one
	// closed. They are duplicated.
	Fds [3]int
	// Terminal says that Fds[0] is a terminal, which becomes the controlling one of the
	// program's session.
	Terminal bool
	// Mounts are made in this order, in a mount namespace of the program's own; at most
	// 64. The first one should be that of "/": it becomes the root, inside which the
	// targets of the others are looked up. Without it the program has the kernel's root.
	Mounts []ExecMount
	// Identity is whose the program is. Mounts are made by root.
	Identity Identity
	// CPUTime bounds the processor time of each process, as RLIMIT_CPU of setrlimit(2), in
	// whole seconds, rounded up; 0 is no limit.
	CPUTime time.Duration
	// Processes is how many processes and threads the program and all that it starts can
	// be at a time; 0 is the kernel's own limit.
	Processes int
	// Hostname is the host name that the program sees, at most 63 bytes; "" is the kernel's.
	Hostname string
}

// An ExecMount is a mount of a program.
type ExecMount struct {
	// Fd is a descriptor of a mount that is attached nowhere: of [View.Fsmount], or of
	// [View.OpenTree] with OPEN_TREE_CLONE. The mount ends with the program, or when the
	// descriptor has been closed, whichever comes last. MOUNT_PROC stands for a procfs of
	// the program's own PID namespace.
	Fd int
	// Target is where it is mounted, an absolute path.
	Target string
	// Optional mounts are left out where there is no such path.
	Optional bool
}

// MOUNT_PROC is the Fd of an ExecMount.
const MOUNT_PROC = mountProc

// Exec starts a program of the kernel: an executable file for Linux on the host's
// processor, or a script, which runs unmodified, with this kernel as its kernel. It returns
// when execve(2) has succeeded, or with that call's error.
//
// Each program is in a little container: PID, mount, UTS and IPC namespaces of its own, in
// which it is process 2. When it has ended, all that it has left behind there is killed,
// and its mounts are gone. At most [MaxPrograms] run at a time; one more is unix.EAGAIN.
//
// The error wraps [ErrNoPrograms] where no program can run. What exceeds a limit of
// [Exec] is unix.E2BIG or unix.EINVAL.
func (k *Kernel) Exec(x *Exec) (*Program, error) {
	if err := x.check(); err != nil {
		return nil, err
	}
	as, err := x.Identity.abi()
	if err != nil {
		return nil, err
	}
	if err := k.StartPrograms(); err != nil {
		return nil, err
	}
	running := &k.state.programs.running
	if running.Add(1) > MaxPrograms {
		running.Add(-1)
		return nil, fmt.Errorf("lkl: %d programs run already: %w", MaxPrograms, unix.EAGAIN)
	}
	fd, err := k.exec(x, as)
	if err != nil {
		running.Add(-1)
		return nil, err
	}
	return &Program{k: k, fd: fd}, nil
}

// check reports what the kernel would not understand.
func (x *Exec) check() error {
	switch {
	case len(x.Args) > execWords || len(x.Env) > execWords || x.stringsSize() > execStrings:
		return fmt.Errorf("lkl: %d arguments and %d variables of %d bytes: %w", len(x.Args), len(x.Env), x.stringsSize(), unix.E2BIG)
	case len(x.Args) == 0:
		return fmt.Errorf("lkl: a program without a name to be called by: %w", unix.EINVAL)
	case !strings.HasPrefix(x.File, "/") || x.Dir != "" && !strings.HasPrefix(x.Dir, "/"):
		return fmt.Errorf("lkl: a program or a working directory without an absolute path: %w", unix.EINVAL)
	case len(x.Mounts) > execMounts:
		return fmt.Errorf("lkl: %d mounts of a program: %w", len(x.Mounts), unix.EINVAL)
	case len(x.Hostname) >= hostnameSize || strings.IndexByte(x.Hostname, 0) >= 0:
		return fmt.Errorf("lkl: host name of %d bytes: %w", len(x.Hostname), unix.EINVAL)
	case x.CPUTime < 0 || x.Processes < 0 || x.Processes > math.MaxInt32:
		return fmt.Errorf("lkl: a limit below 0 or beyond all bounds: %w", unix.EINVAL)
	}
	for _, list := range [2][]string{x.Args, x.Env} {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return fmt.Errorf("lkl: a NUL in an argument or a variable: %w", unix.EINVAL)
			}
		}
	}
	for _, m := range x.Mounts {
		if !strings.HasPrefix(m.Target, "/") {
			return fmt.Errorf("lkl: mount of a program on %q: %w", m.Target, unix.EINVAL)
		}
		if err := checkPath(m.Target); err != nil {
			return fmt.Errorf("lkl: mount of a program on %.40q: %w", m.Target, err)
		}
	}
	return nil
}

// stringsSize is how many bytes arguments and environment take.
func (x *Exec) stringsSize() int {
	size := 0
	for _, list := range [2][]string{x.Args, x.Env} {
		for _, s := range list {
			size += len(s) + 1
		}
	}
	return size
}

// exec makes the call.
//
// Preconditions: check has found nothing.
func (k *Kernel) exec(x *Exec, as *abiIdentity) (fd int, err error) {
	c, err := k.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	size := x.stringsSize()
	need := sizeofExec + len(x.Mounts)*sizeofMount + size + len(x.File) + len(x.Dir) + 64
	for _, m := range x.Mounts {
		need += len(m.Target) + 8
	}
	if err := c.reserve(need); err != nil {
		return -1, err
	}
	a := abiExec{
		Size: uint32(size), Argc: uint32(len(x.Args)), Envc: uint32(len(x.Env)), Mounts: uint32(len(x.Mounts)), As: *as,
		CpuSeconds: uint64((x.CPUTime + time.Second - 1) / time.Second), Processes: uint32(x.Processes),
	}
	for i, fd := range x.Fds {
		a.Fds[i] = int32(fd)
	}
	if x.Terminal {
		a.Flags |= execTTY
	}
	copy(a.Hostname[:], x.Hostname)
	mem, addr := c.room(sizeofExec)
	if a.File, err = c.path(x.File); err != nil {
		return -1, err
	}
	dir := x.Dir
	if dir == "" {
		dir = "/"
	}
	if a.Dir, err = c.path(dir); err != nil {
		return -1, err
	}
	list, at := c.room(len(x.Mounts) * sizeofMount)
	a.Mount = at
	for i, m := range x.Mounts {
		am := abiMount{Fd: int32(m.Fd)}
		if m.Optional {
			am.Flags |= mountOptional
		}
		if am.Target, err = c.path(m.Target); err != nil {
			return -1, err
		}
		storeMount(list[i*sizeofMount:], &am)
	}
	text, at := c.room(size)
	a.Strings = at
	for _, list := range [2][]string{x.Args, x.Env} {
		for _, s := range list {
			n := copy(text, s)
			text[n] = 0
			text = text[n+1:]
		}
	}
	storeExec(mem, &a)
	return c.do(opExec, addr)
}
