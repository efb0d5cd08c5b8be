package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/unboot/unboot/lkl"
)

// An image may be made, or damaged, so that a file system's driver loops forever. Commands
// that only read have a budget of processor time. Elapsed time would not do: a slow disk or a
// loaded machine would end commands that make progress. Commands that go on until somebody ends
// them have a budget for each call into the kernel instead of one for all.

// callLimit is the default of that.
const callLimit = 2 * time.Minute

// cpuLimit returns the processor time that an image's kernel may take, or 0 for no limit.
func (a *app) cpuLimit(o *opened) time.Duration {
	switch {
	case a.opts.cpu >= 0:
		return a.opts.cpu
	case o.write && !a.opts.scratch:
		return 0 // half a change is worse than a loop, which the user can interrupt
	case a.lasting:
		return callLimit
	}
	return o.img.ReadingTime()
}

// limit sets the limit of an image's kernel.
func (a *app) limit(o *opened) {
	k := o.img.Kernel()
	set := k.LimitCPU
	if a.lasting {
		set = k.LimitCall
	}
	if err := set(a.cpuLimit(o)); err != nil && k.Err() == nil {
		a.warn(fmt.Errorf("%s: %w", quote(o.path), err))
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
	var timeout *timeoutError
	var limit *lkl.CPULimitError
	switch {
	case errors.As(err, &timeout):
		err = timeout
	case errors.As(err, &limit):
		err = fmt.Errorf("%w (--cpu-limit): the image may be damaged (to allow more: --cpu-limit TIME, 0 for no limit)", limit)
	}
	return fmt.Errorf("%s: %w", quote(o.path), err)
}
