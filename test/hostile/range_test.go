package hostile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/lkl"
)

// Deadline is what an image may take; it is the callers who promise more. It
// is long compared with what a good one takes.
const deadline = 3 * time.Second

var errDeadline = errors.New("the image took too long")

// A shootingRange opens one bad image after the other: in the same kernel as
// long as that lives.
type shootingRange struct {
	k      *lkl.Kernel
	cancel context.CancelCauseFunc
	count  map[string]int
	words  map[string]int // of panics
	worst  time.Duration
}

func newRange() *shootingRange {
	return &shootingRange{count: map[string]int{}, words: map[string]int{}}
}

func (r *shootingRange) close() {
	if r.k != nil {
		r.k.Kill()
		r.cancel(nil)
	}
}

func (r *shootingRange) kernel(t *testing.T) *lkl.Kernel {
	if r.k != nil && r.k.Err() == nil {
		return r.k
	}
	r.close()
	ctx, cancel := context.WithCancelCause(context.Background())
	k, err := rig.BootContext(ctx, nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	}
	rig.Check(t, "boot", err)
	r.k, r.cancel = k, cancel
	r.count["boots"]++
	return k
}

// shoot opens an image, looks at everything, and closes it. An outcome that is
// not allowed is returned as an error.
func (r *shootingRange) shoot(t *testing.T, image, driver, options string, flags uintptr) error {
	k := r.kernel(t)
	var before, after unix.Stat_t
	rig.Check(t, "stat", unix.Stat(image, &before))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, busy := time.Now(), threadTime()
	cancel := r.cancel
	timer := time.AfterFunc(deadline, func() { cancel(errDeadline) })
	outcome := r.visit(k, image, driver, options, flags)
	timer.Stop()
	r.worst = max(r.worst, time.Since(start))
	r.count["images"]++
	r.count[outcome]++
	// The deadline kills the kernel, and then the visit has nothing left to do. How
	// long that takes by the clock depends on the machine; what this thread computes
	// meanwhile does not. A visit that only waits ends by the test's own timeout.
	if busy = threadTime() - busy; busy > 2*deadline {
		return fmt.Errorf("looking at it took %v of processor time, with a deadline of %v", busy, deadline)
	}
	rig.Check(t, "stat", unix.Stat(image, &after))
	if before.Mtim != after.Mtim || before.Ctim != after.Ctim || before.Size != after.Size || before.Blocks != after.Blocks {
		return errors.New("the image has changed")
	}
	return r.judge(k.Err())
}

// threadTime is the processor time that this thread has had.
func threadTime() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// judge reports whether a kernel may have ended that way.
func (r *shootingRange) judge(err error) error {
	var p *lkl.PanicError
	var e *lkl.ExitError
	switch {
	case err == nil, errors.Is(err, fs.ErrClosed): // killed by visit
		return nil
	case errors.As(err, &p):
		what := "panics"
		if p.Fault {
			what = "faults"
		}
		r.count[what]++
		r.words[reason(p)]++
		return nil
	case errors.Is(err, errDeadline):
		r.count["deadlines"]++
		return nil
	case errors.As(err, &e) && e.Signal == unix.SIGSYS:
		return fmt.Errorf("a forbidden system call: %+v", err)
	}
	return fmt.Errorf("the kernel ended in another way: %+v", err)
}

// reason is the most telling line of a panic, which is seldom the last.
func reason(p *lkl.PanicError) string {
	for _, l := range p.Log {
		if strings.Contains(l, "BUG at") || strings.Contains(l, "BUG:") || strings.Contains(l, "Oops") {
			return strings.TrimSpace(l)
		}
	}
	return p.Reason()
}

func (r *shootingRange) visit(k *lkl.Kernel, image, driver, options string, flags uintptr) (outcome string) {
	disk, err := rig.AttachOverlay(k, image, 64<<20)
	if err != nil {
		if k.Err() == nil && !errors.Is(err, unix.EINVAL) {
			r.words[fmt.Sprintf("attach: %v", err)]++
		}
		return "not attached"
	}
	const dir = "/mnt/hostile"
	k.Mkdirat(unix.AT_FDCWD, dir, 0o755)
	defer func() {
		if k.Err() == nil && rig.Detach(k, disk) != nil {
			// Something holds it: this kernel is not used any more.
			r.count["stuck"]++
			k.Kill()
		}
	}()
	if err := k.Mount("/dev/"+disk, dir, driver, flags, options); err != nil {
		return "refused"
	}
	look(&k.View, dir)
	if flags&unix.MS_RDONLY == 0 {
		change(&k.View, dir)
	}
	if err := k.Unmount(dir, 0); err != nil && k.Err() == nil {
		k.Unmount(dir, unix.MNT_DETACH)
	}
	return "mounted"
}

func (r *shootingRange) String() string {
	var s strings.Builder
	for i, name := range slices.Sorted(maps.Keys(r.count)) {
		if i > 0 {
			s.WriteString(", ")
		}
		fmt.Fprintf(&s, "%d %s", r.count[name], name)
	}
	fmt.Fprintf(&s, ", the longest took %v", r.worst.Round(time.Millisecond))
	for _, w := range slices.Sorted(maps.Keys(r.words)) {
		fmt.Fprintf(&s, "\n\t%d: %s", r.words[w], w)
	}
	return s.String()
}
