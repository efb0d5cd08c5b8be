package hostile

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// endless mounts a file system in which a name that is not there is looked for without an end.
func endless(t *testing.T, k *lkl.Kernel) (dir string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	rig.Check(t, "write", os.WriteFile(image, testimg.Endless(), 0o644))
	disk, err := k.AttachDisk(lkl.Disk{File: rig.Open(t, image, os.O_RDONLY), ReadOnly: true})
	rig.Check(t, "attach", err)
	dir, err = rig.Mount(k, disk, "romfs", unix.MS_RDONLY, "")
	rig.Check(t, "mount", err)
	return dir
}

func stat(k *lkl.Kernel, path string) error {
	var st unix.Statx_t
	return k.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS, &st)
}

// The limits end a kernel that is in a loop, with an error that says which one it was.
func TestEndlessCall(t *testing.T) {
	const limit = time.Second
	for _, c := range []struct {
		name string
		set  func(*lkl.Kernel) error
		call bool
	}{
		{"total", func(k *lkl.Kernel) error { return k.LimitCPU(limit) }, false},
		{"call", func(k *lkl.Kernel) error { return k.LimitCall(limit) }, true},
		{"both", func(k *lkl.Kernel) error { return errors.Join(k.LimitCPU(time.Hour), k.LimitCall(limit)) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := rig.Boot(t, nil)
			dir := endless(t, k)
			rig.Check(t, "limit", c.set(k))
			rig.Check(t, "stat", stat(k, dir+"/a"))
			start := cpuTime(t, k)
			ended := make(chan time.Duration, 1)
			go func() { // the last that is seen of its clock
				var last time.Duration
				for k.Err() == nil {
					if now, err := processTime(k.Pid()); err == nil {
						last = now
					}
					time.Sleep(5 * time.Millisecond)
				}
				ended <- last
			}()
			err := stat(k, dir+"/none")
			took := <-ended - start
			var limitErr *lkl.CPULimitError
			var exit *lkl.ExitError
			if !errors.As(err, &limitErr) || !errors.As(err, &exit) || limitErr.Limit != limit || limitErr.Call != c.call {
				t.Fatalf("%v", err)
			}
			if !errors.Is(k.Err(), limitErr) {
				t.Errorf("the end of the kernel: %v", k.Err())
			}
			if took < limit*9/10 || took > limit*3/2 {
				t.Errorf("it took %v of processor time, with a limit of %v", took, limit)
			}
		})
	}
}

// A limit that was begun anew, or taken away, does not end a kernel that works all the time; nor
// does that of a call, as long as each call ends.
func TestManyCalls(t *testing.T) {
	const limit, work = 300 * time.Millisecond, 900 * time.Millisecond
	for _, c := range []struct {
		name       string
		set, again func(*lkl.Kernel) error
		ends       bool
	}{
		{"total", func(k *lkl.Kernel) error { return k.LimitCPU(limit) }, nil, true},
		{"anew", func(k *lkl.Kernel) error { return k.LimitCPU(limit) }, func(k *lkl.Kernel) error { return k.LimitCPU(limit) }, false},
		{"away", func(k *lkl.Kernel) error {
			return errors.Join(k.LimitCPU(limit), k.LimitCall(limit), k.LimitCPU(0), k.LimitCall(0))
		}, nil, false},
		{"call", func(k *lkl.Kernel) error { return k.LimitCall(limit) }, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := rig.Boot(t, nil)
			rig.Check(t, "limit", c.set(k))
			var err error
			for start := cpuTime(t, k); err == nil; {
				now, clockErr := processTime(k.Pid())
				if clockErr != nil || now-start > work {
					break
				}
				for range 200 {
					if err = stat(k, "/proc/self/status"); err != nil {
						break
					}
				}
				if c.again != nil && err == nil {
					err = c.again(k)
				}
			}
			var limitErr *lkl.CPULimitError
			if ended := errors.As(k.Err(), &limitErr); ended != c.ends || !ended && err != nil {
				t.Errorf("%v, the kernel: %v", err, k.Err())
			}
		})
	}
}

// A call that waits for a disk takes no processor time, however long that is.
func TestSlowDisk(t *testing.T) {
	k := rig.Boot(t, nil)
	d := &slowDisk{data: testimg.Endless()}
	name, err := k.AttachDisk(lkl.Disk{Device: d, ReadOnly: true})
	rig.Check(t, "attach", err)
	d.delay.Store(int64(time.Second))
	rig.Check(t, "limit", errors.Join(k.LimitCPU(400*time.Millisecond), k.LimitCall(200*time.Millisecond)))
	if _, err := rig.Mount(k, name, "romfs", unix.MS_RDONLY, ""); err != nil || k.Err() != nil {
		t.Errorf("%v, the kernel: %v", err, k.Err())
	}
	if d.waited.Load() == 0 {
		t.Error("nothing was read from the disk")
	}
}

// A slowDisk is a disk that answers late.
type slowDisk struct {
	data   []byte
	delay  atomic.Int64
	waited atomic.Int32
}

func (d *slowDisk) ReadAt(p []byte, off int64) (int, error) {
	if delay := d.delay.Load(); delay > 0 {
		time.Sleep(time.Duration(delay))
		d.waited.Add(1)
	}
	return copy(p, d.data[off:]), nil
}
func (d *slowDisk) WriteAt([]byte, int64) (int, error) { return 0, unix.EROFS }
func (d *slowDisk) Size() int64                        { return int64(len(d.data)) }
func (d *slowDisk) Flush() error                       { return nil }

func cpuTime(t *testing.T, k *lkl.Kernel) time.Duration {
	t.Helper()
	d, err := processTime(k.Pid())
	rig.Check(t, "clock", err)
	return d
}

// processTime returns the processor time of a process.
func processTime(pid int) (time.Duration, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^pid)<<3|2, &ts)
	return time.Duration(ts.Nano()), err
}
