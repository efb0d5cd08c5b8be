package server

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/lkl"
)

// # Processor time
//
// Corrupt metadata can keep a driver busy forever. Where nothing that is written stays, each
// procedure may take as much of the processor as it can need to read all of the drives
// ([unboot.Image.ReadingTime]), and so may an inspection of any drives, which reads them by a
// kernel of its own. Elsewhere half a change would be worse. Programs take as long as they do.

// cpuLimitEnv names the variable that says another limit: a time such as 10m, or 0 for none.
const cpuLimitEnv = "UNBOOT_CPU_LIMIT"

// A cpuLimit is what the variable says, and whose processor time is limited.
type cpuLimit struct {
	time  time.Duration
	given bool
	// kernel is that of the drives, or nil if it is not limited.
	kernel atomic.Pointer[lkl.Kernel]
	each   time.Duration // constant when there is a kernel
}

// parse reads the variable.
func (l *cpuLimit) parse() (err error) {
	text := os.Getenv(cpuLimitEnv)
	if text == "" {
		return nil
	}
	l.given = true
	if l.time, err = time.ParseDuration(text); err != nil || l.time < 0 {
		return fmt.Errorf("%s is not a time such as 10m: %q", cpuLimitEnv, text)
	}
	return nil
}

// of returns the limit for an image, or 0 for none.
func (l *cpuLimit) of(img *unboot.Image) time.Duration {
	if l.given {
		return l.time
	}
	return img.ReadingTime()
}

// limit has procedures limited from now on, with the one that has opened the image.
func (l *cpuLimit) limit(img *unboot.Image) {
	if l.each = l.of(img); l.each > 0 {
		l.kernel.Store(img.Kernel())
		l.begin()
	}
}

// begin begins to count, for a procedure.
func (l *cpuLimit) begin() {
	if k := l.kernel.Load(); k != nil {
		k.LimitCPU(l.each)
	}
}

// pause stops counting, until the next procedure.
func (l *cpuLimit) pause() {
	if k := l.kernel.Load(); k != nil {
		k.LimitCPU(0)
	}
}

// limitError returns err, unless the kernel has ended because it reached the limit: then an error
// that says so.
func limitError(end, err error) error {
	var limit *lkl.CPULimitError
	if !errors.As(end, &limit) {
		return err
	}
	return errorf("%v (%s): a disk may be damaged (to allow more: %s=TIME, 0 for no limit)", limit, cpuLimitEnv, cpuLimitEnv)
}
