package sandbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// Of the process: see kernel/arch/lkl/include/uapi/asm/lkl.h.
const (
	window    = 0x10000000
	windowEnd = window + 0x02000000
	arena     = window + 0x00010000

	fdWindow  = 0
	fdEvent   = 1
	fdLog     = 2
	fdControl = 3
	fdDisk    = 4
)

// nothing is a pointer to no mapped memory: a call that the filter lets through fails with
// EFAULT or EBADF and does nothing.
const nothing = ^uintptr(0) - 4095

type hostcall struct {
	name string
	nr   uintptr
	args []uintptr
}

// boot starts the smallest kernel that makes host calls.
func boot(t testing.TB) *lkl.Kernel {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	k, err := lkl.Boot(ctx, &lkl.Config{Testing: true, Memory: lkl.MinMemory})
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "boot", err)
	t.Cleanup(k.Kill)
	return k
}

// forbidden reports whether the process died of the call as it should: by
// SIGSYS, with a typed error that all later calls return too.
func forbidden(t testing.TB, k *lkl.Kernel, c hostcall) bool {
	t.Helper()
	n, err := k.Hostcall(c.nr, c.args...)
	var exit *lkl.ExitError
	if !errors.As(err, &exit) || exit.Signal != unix.SIGSYS {
		t.Logf("%s: %d, %v", c.name, n, err)
		return false
	}
	if !strings.Contains(err.Error(), "forbidden system call") {
		t.Errorf("%s: the error is not clear: %v", c.name, err)
	}
	if _, again := k.Open("/", unix.O_RDONLY, 0); !errors.As(again, &exit) {
		t.Errorf("%s: a later call: %v", c.name, again)
	}
	return true
}

// attached is a kernel with a disk, whose descriptor is fdDisk.
func attached(t testing.TB) *lkl.Kernel {
	t.Helper()
	k := boot(t)
	f := rig.Open(t, t.TempDir()+"/disk", unix.O_RDWR|unix.O_CREAT)
	rig.Check(t, "truncate", f.Truncate(1<<20))
	_, err := k.AttachDisk(lkl.Disk{File: f})
	rig.Check(t, "attach", err)
	return k
}

func TestForbidden(t *testing.T) {
	at := ^uintptr(99) // AT_FDCWD
	for _, c := range []hostcall{
		{"open", unix.SYS_OPEN, []uintptr{nothing, unix.O_RDONLY}},
		{"openat", unix.SYS_OPENAT, []uintptr{at, nothing, unix.O_RDONLY}},
		{"openat2", unix.SYS_OPENAT2, []uintptr{at, nothing, nothing, 24}},
		{"creat", unix.SYS_CREAT, []uintptr{nothing, 0o600}},
		{"open_by_handle_at", unix.SYS_OPEN_BY_HANDLE_AT, []uintptr{at, nothing, 0}},
		{"read", unix.SYS_READ, []uintptr{fdDisk, nothing, 1}},
		{"read of the control socket", unix.SYS_READ, []uintptr{fdControl, nothing, 1}},
		{"readv", unix.SYS_READV, []uintptr{fdDisk, nothing, 1}},
		{"write to the window", unix.SYS_WRITE, []uintptr{fdWindow, arena, 1}},
		{"write to the control socket", unix.SYS_WRITE, []uintptr{fdControl, arena, 1}},
		{"write to a disk", unix.SYS_WRITE, []uintptr{fdDisk, arena, 1}},
		{"pread of the window", unix.SYS_PREAD64, []uintptr{fdWindow, arena, 1, 0}},
		{"pread of the event", unix.SYS_PREAD64, []uintptr{fdEvent, arena, 1, 0}},
		{"pread of the log", unix.SYS_PREAD64, []uintptr{fdLog, arena, 1, 0}},
		{"pread of the control socket", unix.SYS_PREAD64, []uintptr{fdControl, arena, 1, 0}},
		{"pwrite to the window", unix.SYS_PWRITE64, []uintptr{fdWindow, arena, 1, 0}},
		{"preadv2 of the window", unix.SYS_PREADV2, []uintptr{fdWindow, arena, 1, 0, 0, 0}},
		{"pwritev2 to the log", unix.SYS_PWRITEV2, []uintptr{fdLog, arena, 1, 0, 0, 0}},
		{"fallocate of the window", unix.SYS_FALLOCATE, []uintptr{fdWindow, 0, 0, 4096}},
		{"close of the log", unix.SYS_CLOSE, []uintptr{fdLog}},
		{"close of the window", unix.SYS_CLOSE, []uintptr{fdWindow}},
		{"ftruncate", unix.SYS_FTRUNCATE, []uintptr{fdDisk, 0}},
		{"lseek", unix.SYS_LSEEK, []uintptr{fdDisk, 0, 0}},
		{"fstat", unix.SYS_FSTAT, []uintptr{fdDisk, nothing}},
		{"statx", unix.SYS_STATX, []uintptr{at, nothing, 0, 0, nothing}},
		{"fchmod", unix.SYS_FCHMOD, []uintptr{fdDisk, 0o777}},
		{"fchown", unix.SYS_FCHOWN, []uintptr{fdDisk, 0, 0}},
		{"sendfile", unix.SYS_SENDFILE, []uintptr{fdLog, fdDisk, 0, 1}},
		{"splice", unix.SYS_SPLICE, []uintptr{fdDisk, 0, fdLog, 0, 1, 0}},
		{"dup", unix.SYS_DUP, []uintptr{fdDisk}},
		{"dup2", unix.SYS_DUP2, []uintptr{fdDisk, fdControl}},
		{"fcntl", unix.SYS_FCNTL, []uintptr{fdDisk, unix.F_GETFL}},
		{"ioctl", unix.SYS_IOCTL, []uintptr{fdLog, unix.TCGETS, nothing}},
		{"unlink", unix.SYS_UNLINK, []uintptr{nothing}},
		{"unlinkat", unix.SYS_UNLINKAT, []uintptr{at, nothing, 0}},
		{"rename", unix.SYS_RENAME, []uintptr{nothing, nothing}},
		{"mkdir", unix.SYS_MKDIR, []uintptr{nothing, 0o700}},
		{"chdir", unix.SYS_CHDIR, []uintptr{nothing}},
		{"chroot", unix.SYS_CHROOT, []uintptr{nothing}},
		{"mount", unix.SYS_MOUNT, []uintptr{nothing, nothing, nothing, 0, 0}},
		{"socket", unix.SYS_SOCKET, []uintptr{unix.AF_INET, unix.SOCK_STREAM, 0}},
		{"socketpair", unix.SYS_SOCKETPAIR, []uintptr{unix.AF_UNIX, unix.SOCK_STREAM, 0, nothing}},
		{"connect", unix.SYS_CONNECT, []uintptr{fdControl, nothing, 16}},
		{"sendto", unix.SYS_SENDTO, []uintptr{fdControl, nothing, 1, 0, 0, 0}},
		{"sendmsg", unix.SYS_SENDMSG, []uintptr{fdControl, nothing, 0}},
		{"recvmsg of a disk", unix.SYS_RECVMSG, []uintptr{fdDisk, nothing, 0}},
		{"recvfrom", unix.SYS_RECVFROM, []uintptr{fdControl, nothing, 1, 0, 0, 0}},
		{"execve", unix.SYS_EXECVE, []uintptr{nothing, 0, 0}},
		{"execveat", unix.SYS_EXECVEAT, []uintptr{at, nothing, 0, 0, 0}},
		{"clone", unix.SYS_CLONE, []uintptr{uintptr(unix.SIGCHLD), 0, 0, 0, 0}},
		{"clone3", unix.SYS_CLONE3, []uintptr{nothing, 64}},
		{"fork", unix.SYS_FORK, nil},
		{"vfork", unix.SYS_VFORK, nil},
		{"unshare", unix.SYS_UNSHARE, []uintptr{unix.CLONE_NEWUSER}},
		{"setns", unix.SYS_SETNS, []uintptr{fdDisk, 0}},
		{"mmap", unix.SYS_MMAP, []uintptr{0, 4096, unix.PROT_READ, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS, ^uintptr(0), 0}},
		{"mmap of code", unix.SYS_MMAP, []uintptr{0, 4096, unix.PROT_READ | unix.PROT_EXEC, unix.MAP_SHARED | unix.MAP_FIXED, fdDisk, 0}},
		{"mprotect", unix.SYS_MPROTECT, []uintptr{arena, 4096, unix.PROT_READ | unix.PROT_EXEC}},
		{"munmap", unix.SYS_MUNMAP, []uintptr{0, 4096}},
		{"mremap", unix.SYS_MREMAP, []uintptr{arena, 4096, 8192, 0}},
		{"brk", unix.SYS_BRK, []uintptr{0}},
		{"memfd_create", unix.SYS_MEMFD_CREATE, []uintptr{nothing, 0}},
		{"userfaultfd", unix.SYS_USERFAULTFD, []uintptr{0}},
		{"process_vm_readv", unix.SYS_PROCESS_VM_READV, []uintptr{1, 0, 0, 0, 0, 0}},
		{"process_vm_writev", unix.SYS_PROCESS_VM_WRITEV, []uintptr{1, 0, 0, 0, 0, 0}},
		{"ptrace", unix.SYS_PTRACE, []uintptr{unix.PTRACE_ATTACH, 1, 0, 0}},
		{"kill", unix.SYS_KILL, []uintptr{1, 0}},
		{"tgkill", unix.SYS_TGKILL, []uintptr{1, 1, 0}},
		{"pidfd_open", unix.SYS_PIDFD_OPEN, []uintptr{1, 0}},
		{"rt_sigaction", unix.SYS_RT_SIGACTION, []uintptr{11, 0, 0, 8}},
		{"prctl", unix.SYS_PRCTL, []uintptr{unix.PR_SET_DUMPABLE, 1, 0, 0, 0}},
		{"seccomp", unix.SYS_SECCOMP, []uintptr{0, 0, 0}},
		{"bpf", unix.SYS_BPF, []uintptr{0, 0, 0}},
		{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, []uintptr{nothing, 0, 0, 0, 0}},
		{"io_uring_setup", unix.SYS_IO_URING_SETUP, []uintptr{1, nothing}},
		{"keyctl", unix.SYS_KEYCTL, []uintptr{0, 0}},
		{"setuid", unix.SYS_SETUID, []uintptr{0}},
		{"getpid", unix.SYS_GETPID, nil},
		{"nanosleep", unix.SYS_NANOSLEEP, []uintptr{nothing, 0}},
		{"futex requeue", unix.SYS_FUTEX, []uintptr{arena, 3, 1, 0, arena, 0}},
		{"futex wait without a bit set", unix.SYS_FUTEX, []uintptr{arena, 0, 1, 0, 0, 0}},
		{"futex private", unix.SYS_FUTEX, []uintptr{arena, 128, 1, 0, 0, 0}},
		{"a call of the x32 kind", 0x40000000 | unix.SYS_CLOCK_GETTIME, []uintptr{0, nothing}},
		{"a call that no kernel has", 5000, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := boot(t)
			if strings.Contains(c.name, "disk") || len(c.args) > 0 && c.args[0] == fdDisk {
				k.Kill()
				k = attached(t)
			}
			if !forbidden(t, k, c) {
				t.Errorf("%s%#x was let through", c.name, c.args)
			}
		})
	}
}

func TestAllowed(t *testing.T) {
	k := attached(t)
	for _, c := range []struct {
		hostcall
		want error // besides nil
	}{
		{hostcall{"futex wait", unix.SYS_FUTEX, []uintptr{arena, 9, 0x12345678, 0, 0, ^uintptr(0)}}, unix.EAGAIN},
		{hostcall{"futex wake", unix.SYS_FUTEX, []uintptr{arena, 1, 0, 0, 0, 0}}, nil},
		{hostcall{"pread", unix.SYS_PREAD64, []uintptr{fdDisk, nothing, 512, 0}}, unix.EFAULT},
		{hostcall{"pwrite", unix.SYS_PWRITE64, []uintptr{fdDisk, nothing, 512, 0}}, unix.EFAULT},
		{hostcall{"preadv2", unix.SYS_PREADV2, []uintptr{fdDisk, nothing, 1, 0, 0, 0}}, unix.EFAULT},
		{hostcall{"pwritev2", unix.SYS_PWRITEV2, []uintptr{fdDisk, nothing, 1, 0, 0, 0}}, unix.EFAULT},
		{hostcall{"fallocate", unix.SYS_FALLOCATE, []uintptr{fdDisk, 0, 0, 0}}, unix.EINVAL},
		{hostcall{"write to the log", unix.SYS_WRITE, []uintptr{fdLog, nothing, 4}}, unix.EFAULT},
		{hostcall{"write to the event", unix.SYS_WRITE, []uintptr{fdEvent, nothing, 8}}, unix.EFAULT},
		{hostcall{"recvmsg", unix.SYS_RECVMSG, []uintptr{fdControl, nothing, unix.MSG_DONTWAIT}}, unix.EFAULT},
		{hostcall{"clock_gettime", unix.SYS_CLOCK_GETTIME, []uintptr{unix.CLOCK_MONOTONIC, nothing}}, unix.EFAULT},
		{hostcall{"close", unix.SYS_CLOSE, []uintptr{1000}}, unix.EBADF},
	} {
		if _, err := k.Hostcall(c.nr, c.args...); err != nil && err != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	var exit *lkl.ExitError
	if _, err := k.Hostcall(unix.SYS_EXIT_GROUP, 77); !errors.As(err, &exit) || exit.Code != 77 {
		t.Errorf("exit_group: %v", err)
	}
}

// maxAllowed is how many calls of the host the filter may let through.
const maxAllowed = 15

// TestAllowList tries every number that a host knows, with descriptors and
// pointers that the filter may like.
func TestAllowList(t *testing.T) {
	const last = 470
	// The host lets these pass any filter, and answers those who are not in a
	// probe of its own with SIGILL.
	exempt := map[uintptr]bool{335: true, 336: true} // uretprobe, uprobe
	arguments := [][]uintptr{
		// a word of the window for futex, and an unused descriptor for others
		{arena, 1, 0, 0, 0, 0},
		{fdControl, nothing, unix.MSG_DONTWAIT, 0, 0, 0},
		{fdEvent, nothing, 8, 0, 0, 0},
	}
	step := uintptr(1)
	if testing.Short() {
		step = 7
	}
	boot(t).Kill() // skips without a kernel
	var mu sync.Mutex
	allowed := map[uintptr]bool{}
	numbers := make(chan uintptr)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for nr := range numbers {
				var k *lkl.Kernel
				for _, args := range arguments {
					var err error
					if k == nil || k.Err() != nil {
						if k, err = lkl.Boot(t.Context(), &lkl.Config{Testing: true, Memory: lkl.MinMemory}); err != nil {
							t.Errorf("boot: %v", err)
							break
						}
					}
					_, err = k.Hostcall(nr, args...)
					var exit *lkl.ExitError
					if !errors.As(err, &exit) || exit.Signal != unix.SIGSYS {
						mu.Lock()
						allowed[nr] = true
						mu.Unlock()
						break
					}
				}
				if k != nil {
					k.Kill()
				}
			}
		})
	}
	for nr := uintptr(0); nr <= last; nr += step {
		if !exempt[nr] {
			numbers <- nr
		}
	}
	close(numbers)
	wg.Wait()
	list := slices.Sorted(maps.Keys(allowed))
	t.Logf("%d calls are allowed: %d", len(list), list)
	if len(list) > maxAllowed {
		t.Errorf("%d calls are allowed, the limit is %d", len(list), maxAllowed)
	}
	for _, nr := range []uintptr{unix.SYS_PREAD64, unix.SYS_FUTEX, unix.SYS_WRITE, unix.SYS_RECVMSG, unix.SYS_CLOSE} {
		if nr%step == 0 && !allowed[nr] {
			t.Errorf("the search did not find call %d", nr)
		}
	}
}
