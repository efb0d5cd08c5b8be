package lkl

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/unboot/unboot/internal/cause"
	"github.com/unboot/unboot/lkl/internal/vmlinux"
)

// haltTime is what Close gives the kernel to power off after everything has
// been written.
const haltTime = 10 * time.Second

// A Kernel is a running kernel, and the [View] of its whole name space. It may
// be used by any number of goroutines; 256 calls are in flight at once, more
// wait.
type Kernel struct {
	View
	*state
}

// Boot starts a kernel and returns when it takes requests. cfg may be nil.
//
// ctx covers the kernel's whole life, as that of exec.CommandContext: when it
// ends, the process is killed, and calls return an error that wraps ctx's
// cause. A kernel that is not used any more must be closed, killed, or have
// its context ended.
func Boot(ctx context.Context, cfg *Config) (*Kernel, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("lkl: boot: %w", cause.Of(ctx))
	}
	k, err := bootOnce(ctx, &c)
	if exit, ok := err.(*ExitError); ok && exit.Code == exitLoader && vmlinux.AvoidLoader() {
		k, err = bootOnce(ctx, &c)
	}
	return k, err
}

func bootOnce(ctx context.Context, c *Config) (*Kernel, error) {
	s, err := started(c)
	if err != nil {
		return nil, err
	}
	s.w.acquire()
	defer s.w.release()
	stop := context.AfterFunc(ctx, func() { s.kill(cause.Of(ctx)) })
	go s.watch(stop)
	if err := s.awaitReady(); err != nil {
		<-s.gone
		return nil, err
	}
	k := &Kernel{state: s}
	k.View = View{k: k, root: -1}
	runtime.AddCleanup(k, func(s *state) { s.kill(errForgotten) }, s)
	return k, nil
}

// Preload starts, in the background, the decompression of the kernel image
// that the first Boot would wait for. A program that knows early that it will
// boot a kernel, and has other things to do before, calls it.
func Preload() {
	go spawner()
	vmlinux.Preload()
}

// Close writes everything to the disks, powers the kernel off, and returns
// when the process has ended and no disk's File or Device is in use any more.
// It does not unmount: a file system that is still mounted is left as by a
// power cut after sync(2), which a journal makes good. Calls in flight return
// [ErrClosed]. If the kernel does not power off within some seconds it is
// killed and an error returned. If it had ended before by an error, that is
// returned. Closing again returns nil.
func (k *Kernel) Close() error {
	defer runtime.KeepAlive(k) // or it would be taken for forgotten
	if k.closing.Swap(true) {
		<-k.gone
		return nil
	}
	if k.server.used() {
		k.Sync()
	}
	t := time.AfterFunc(haltTime, func() { k.kill(errHalt) })
	defer t.Stop()
	k.call(opHalt)
	// The answer is the end of the process.
	<-k.gone
	if err := k.endError(); err != ErrClosed {
		return err
	}
	return nil
}

// Kill ends the kernel at once, as a power cut, and returns when the process
// has ended and no disk's File or Device is in use any more.
func (k *Kernel) Kill() {
	defer runtime.KeepAlive(k)
	k.closing.Store(true)
	k.kill(ErrClosed)
	<-k.gone
}

// Done returns a channel that is closed when the process has ended.
func (k *Kernel) Done() <-chan struct{} { return k.done }

// Err returns nil while the kernel runs, then why it does not: [ErrClosed], a
// [*PanicError], or an [*ExitError].
func (k *Kernel) Err() error { return k.endError() }

// Pid returns the process id on the host.
func (k *Kernel) Pid() int { return k.pid }

// Sandbox says how the kernel process is confined.
func (k *Kernel) Sandbox() Sandbox { return k.sandbox }

// FromSnapshot reports whether the kernel was not booted but went on from the snapshot that
// is part of the program: of a kernel that has booted when the program was built. It is taken
// for a [Config] with 64 to 512 MiB of Memory, at most 4 GiB of Programs and no Cmdline,
// on a processor that has what it was made with, unless UNBOOT_BOOT is set in the environment.
func (k *Kernel) FromSnapshot() bool { return k.snapshot }

// Hostcall makes the kernel process attempt a system call of the host, with
// the host's number, and returns its result. It tests the sandbox, and needs
// Config.Testing: else unix.ENOSYS. A call that the sandbox forbids ends the
// process.
func (k *Kernel) Hostcall(nr uintptr, args ...uintptr) (int, error) {
	c, err := k.begin()
	if err != nil {
		return -1, err
	}
	defer c.end()
	mem, addr := c.room(sizeofHostcall)
	h := abiHostcall{Nr: int64(nr)}
	for i, a := range args[:min(len(args), len(h.Args))] {
		h.Args[i] = uint64(a)
	}
	storeHostcall(mem, &h)
	return c.do(opHostcall, addr)
}

// Panic makes the kernel panic. It needs Config.Testing: else unix.ENOSYS.
func (k *Kernel) Panic() error {
	_, err := k.call(opPanic)
	return err
}
