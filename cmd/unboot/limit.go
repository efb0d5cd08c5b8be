package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/lkl"
)

// An image may be made, or damaged, so that a file system's driver loops forever. Commands
// that only read have a budget of processor time, which is so large that legitimate work
// should not exhaust it: by default a constant, and more for each MiB of the disks, since
// there is more to read. Elapsed time would not do: a slow disk or a loaded machine would
// end commands that make progress.
const (
	cpuBase   = 2 * time.Minute
	cpuPerMiB = time.Second / 2
)

// cpuLimit returns the processor time that an image's kernel may take, or 0 for no limit.
func (a *app) cpuLimit(o *opened) time.Duration {
	if a.opts.cpu >= 0 {
		return a.opts.cpu
	}
	if o.write {
		return 0 // half a change is worse than a loop, which the user can interrupt
	}
	limit := cpuBase
	for _, d := range o.img.Disks() {
		limit += time.Duration(d.Size>>20) * cpuPerMiB
	}
	return limit
}

// limit sets the limit of an image's kernel, as setrlimit(2) RLIMIT_CPU: seconds.
func (a *app) limit(o *opened) {
	o.cpu = a.cpuLimit(o)
	if o.cpu == 0 {
		return
	}
	seconds := uint64((o.cpu + time.Second - 1) / time.Second)
	// At the soft limit comes SIGXCPU, by which endError knows the cause. The hard limit
	// kills even a kernel that does not end by that.
	r := unix.Rlimit{Cur: seconds, Max: seconds + 10}
	if err := unix.Prlimit(o.img.Kernel().Pid(), unix.RLIMIT_CPU, &r, nil); err != nil && o.img.Kernel().Err() == nil {
		a.warn(fmt.Errorf("%s: processor time could not be limited: %w", quote(o.path), err))
	}
}

// A timeoutError is the cause of death of a kernel that --timeout has ended.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("timed out after %v (--timeout)", e.after)
}

func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// ended returns the image whose kernel has ended, if that is the cause of an error, or nil.
func (a *app) ended(err error) *opened {
	for _, o := range a.images {
		if end := o.img.Kernel().Err(); end != nil && errors.Is(err, end) {
			return o
		}
	}
	return nil
}

// endError says why the kernel of an image has ended, in terms of the options.
func (o *opened) endError() error {
	err := o.img.Kernel().Err()
	var exit *lkl.ExitError
	var timeout *timeoutError
	switch {
	case errors.As(err, &timeout):
		err = timeout
	case o.cpu != 0 && errors.As(err, &exit) && exit.Cause == nil && exit.Signal == unix.SIGXCPU:
		err = fmt.Errorf("used more than %v of processor time (--cpu-limit): the image may be damaged (to allow more: --cpu-limit TIME, 0 for no limit)", o.cpu)
	}
	return fmt.Errorf("%s: %w", quote(o.path), err)
}
