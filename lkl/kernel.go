package lkl

import (
	"context"
)

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
func Boot(ctx context.Context, cfg *Config) (*Kernel, error) { return boot(ctx, cfg) }

// Preload starts, in the background, the decompression of the kernel image
// that the first Boot would wait for. A program that knows early that it will
// boot a kernel, and has other things to do before, calls it.
func Preload() { preload() }

// Close writes everything to the disks, powers the kernel off, and returns
// when the process has ended and no disk's File or Device is in use any more.
// It does not unmount: a file system that is still mounted is left as by a
// power cut after sync(2), which a journal makes good. Calls in flight return
// [ErrClosed]. If the kernel does not power off within some seconds it is
// killed and an error returned. If it had ended before by an error, that is
// returned. Closing again returns nil.
func (k *Kernel) Close() error { return k.close() }

// Kill ends the kernel at once, as a power cut, and returns when the process
// has ended and no disk's File or Device is in use any more.
func (k *Kernel) Kill() { k.killAndWait() }

// Done returns a channel that is closed when the process has ended.
func (k *Kernel) Done() <-chan struct{} { return k.done }

// Err returns nil while the kernel runs, then why it does not: [ErrClosed], a
// [*PanicError], or an [*ExitError].
func (k *Kernel) Err() error { return k.endError() }

// Pid returns the process id on the host.
func (k *Kernel) Pid() int { return k.pid }

// Dmesg returns the kernel's log, of which it keeps the last part. When the
// kernel has ended, it is what has been received until then.
func (k *Kernel) Dmesg() string { return k.dmesg() }

// Sandbox says how the kernel process is confined.
func (k *Kernel) Sandbox() Sandbox { return k.sandbox }

// Hostcall makes the kernel process attempt a system call of the host, with
// the host's number, and returns its result. It tests the sandbox, and needs
// Config.Testing: else unix.ENOSYS. A call that the sandbox forbids ends the
// process.
func (k *Kernel) Hostcall(nr uintptr, args ...uintptr) (int, error) { return k.hostcall(nr, args...) }

// Panic makes the kernel panic. It needs Config.Testing: else unix.ENOSYS.
func (k *Kernel) Panic() error {
	_, err := k.call(opPanic)
	return err
}
