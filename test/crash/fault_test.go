package crash

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// A faulty device fails as the test tells it to.
type faulty struct {
	lkl.BlockDevice
	read, write, flush atomic.Pointer[fault]
	faults             atomic.Int64
}

// A fault is asked before each request; what it returns, if anything, is the
// request's error.
type fault func(off, n int64) error

func (f *faulty) check(p *atomic.Pointer[fault], off, n int64) error {
	fn := p.Load()
	if fn == nil {
		return nil
	}
	err := (*fn)(off, n)
	if err != nil {
		f.faults.Add(1)
	}
	return err
}

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check(&f.read, off, int64(len(p))); err != nil {
		return f.part(err, func(n int) (int, error) { return f.BlockDevice.ReadAt(p[:n], off) }, len(p))
	}
	return f.BlockDevice.ReadAt(p, off)
}

func (f *faulty) WriteAt(p []byte, off int64) (int, error) {
	if err := f.check(&f.write, off, int64(len(p))); err != nil {
		return f.part(err, func(n int) (int, error) { return f.BlockDevice.WriteAt(p[:n], off) }, len(p))
	}
	return f.BlockDevice.WriteAt(p, off)
}

func (f *faulty) Flush() error {
	if err := f.check(&f.flush, 0, 0); err != nil {
		return err
	}
	return f.BlockDevice.Flush()
}

// errShort is a fault that does half of a request and says so.
var errShort = io.ErrShortWrite

func (f *faulty) part(err error, do func(n int) (int, error), n int) (int, error) {
	if err != errShort {
		return 0, err
	}
	n, e := do(n / 2)
	if e != nil {
		return n, e
	}
	return n, err
}

// A fileDevice serves a file of the host from this process.
type fileDevice struct{ *os.File }

func (f fileDevice) Size() int64 {
	st, err := f.Stat()
	if err != nil {
		return 0
	}
	return st.Size()
}

func (f fileDevice) Flush() error { return nil }

// always is a permanent fault past an offset.
func always(err error) *fault {
	f := fault(func(off, n int64) error { return err })
	return &f
}

// mountFaulty mounts an ext4 image that is served by a faulty device.
func mountFaulty(t *testing.T, options string) (*lkl.Kernel, *faulty, string) {
	t.Helper()
	image := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Tree: true}))
	dev := &faulty{BlockDevice: fileDevice{rig.Open(t, image, os.O_RDWR)}}
	k := rig.Boot(t, nil)
	disk, err := k.AttachDisk(lkl.Disk{Device: dev})
	rig.Check(t, "attach", err)
	dir, err := rig.Mount(k, disk, "ext4", 0, options)
	rig.Check(t, "mount", err)
	return k, dev, dir
}

// TestReadFaults: an error of the device is an error of the read, and is over
// when the device's is.
func TestReadFaults(t *testing.T) {
	for name, tt := range map[string]struct{ fault, want error }{
		"EIO":     {unix.EIO, unix.EIO},
		"other":   {errors.New("the network is gone"), unix.EIO},
		"ENOSPC":  {unix.ENOSPC, unix.EIO}, // makes no sense, and must not be taken for one
		"timeout": {context.DeadlineExceeded, unix.EIO},
		"short":   {errShort, unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			k, dev, dir := mountFaulty(t, "")
			dev.read.Store(always(tt.fault))
			_, err := k.ReadFile(dir+"/contents/large", 1<<30)
			if dev.faults.Load() == 0 {
				t.Fatal("the device got no request")
			}
			if err == nil {
				t.Error("read without an error")
			} else if err != tt.want {
				t.Logf("error: %v", err)
			}
			dev.read.Store(nil)
			data, err := k.ReadFile(dir+"/contents/large", 1<<30)
			if err != nil || len(data) != 1<<20+123 {
				t.Errorf("after the fault: %d bytes, %v", len(data), err)
			}
			rig.Check(t, "unmount", k.Unmount(dir, 0))
			rig.Check(t, "close", k.Close())
		})
	}
}

// TestWriteFaults: an error of the device is reported by fsync, at the latest.
func TestWriteFaults(t *testing.T) {
	for name, tt := range map[string]struct{ write, flush error }{
		"EIO":         {write: unix.EIO},
		"ENOSPC":      {write: unix.ENOSPC},
		"short":       {write: errShort},
		"other":       {write: errors.New("the network is gone")},
		"flush":       {flush: unix.EIO},
		"flush, full": {flush: unix.ENOSPC},
	} {
		for _, options := range []string{"errors=continue", "errors=remount-ro"} {
			t.Run(name+" "+options, func(t *testing.T) {
				k, dev, dir := mountFaulty(t, options)
				fd, err := k.Open(dir+"/new", unix.O_CREAT|unix.O_WRONLY, 0o644)
				rig.Check(t, "open", err)
				_, err = k.Pwrite(fd, testimg.Pattern(1<<20, 1), 0)
				rig.Check(t, "write", err)
				if tt.write != nil {
					dev.write.Store(always(tt.write))
				}
				if tt.flush != nil {
					dev.flush.Store(always(tt.flush))
				}
				err = k.Fsync(fd)
				t.Logf("fsync: %v, %d faults", err, dev.faults.Load())
				var errno unix.Errno
				if !errors.As(err, &errno) {
					t.Errorf("fsync: %v", err)
				}
				k.CloseFd(fd)
				if k.Err() != nil {
					t.Fatalf("the kernel ended: %+v", k.Err())
				}
				// Whether or not it can still write, existing files can be read.
				dev.write.Store(nil)
				dev.flush.Store(nil)
				if data, err := k.ReadFile(dir+"/contents/hello", 100); err != nil || string(data) != "hello, world\n" {
					t.Errorf("read: %q, %v", data, err)
				}
				if err := k.Unmount(dir, 0); err != nil {
					t.Errorf("unmount: %v", err)
				}
				rig.Check(t, "close", k.Close())
			})
		}
	}
}

// TestSlowDevice: a request that takes long delays only the calls that wait for it, and
// ends when the kernel is killed.
func TestSlowDevice(t *testing.T) {
	k, dev, dir := mountFaulty(t, "")
	release := make(chan struct{})
	entered := make(chan struct{}, 1)
	slow := fault(func(off, n int64) error {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-release
		return nil
	})
	if data, err := k.ReadFile(dir+"/contents/hello", 100); err != nil {
		t.Fatalf("%q, %v", data, err)
	}
	dev.read.Store(&slow)
	result := make(chan error, 1)
	go func() {
		_, err := k.ReadFile(dir+"/contents/large", 1<<30)
		result <- err
	}()
	<-entered
	start := time.Now()
	if _, err := k.ReadFile(dir+"/contents/hello", 100); err != nil {
		t.Errorf("a file in the cache: %v", err)
	}
	t.Logf("a file in the cache took %v meanwhile", time.Since(start))
	select {
	case err := <-result:
		t.Errorf("the slow read ended early: %v", err)
	default:
	}
	// Killing it makes the call return at once, though Kill itself waits for
	// the device, which is still in use.
	killed := make(chan struct{})
	go func() {
		k.Kill()
		close(killed)
	}()
	select {
	case err := <-result:
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("the slow read: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the slow read did not return after Kill")
	}
	close(release)
	<-killed
}

// inFlight makes calls from several goroutines until the kernel ends, and
// returns their errors.
func inFlight(k *lkl.Kernel, dir string) func() []error {
	var wg sync.WaitGroup
	errs := make([]error, 16)
	started := make(chan struct{}, len(errs))
	for i := range errs {
		wg.Go(func() {
			for n := 0; errs[i] == nil; n++ {
				switch i % 4 {
				case 0:
					_, errs[i] = k.ReadFile(dir+"/contents/large", 1<<30)
				case 1:
					var fd int
					if fd, errs[i] = k.Open(dir+"/contents", unix.O_RDONLY, 0); errs[i] == nil {
						for _, err := range k.ReadDir(fd, unix.STATX_BASIC_STATS, 0) {
							errs[i] = err
						}
						if err := k.CloseFd(fd); errs[i] == nil {
							errs[i] = err
						}
					}
				case 2:
					errs[i] = k.Sync()
				case 3: // waits forever, at the third
					var b *lkl.Buffer
					b, errs[i] = k.Alloc(lkl.MaxBuffer)
					defer b.Free()
				}
				if n == 0 && i%4 != 3 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 12 { // all but those who wait for a buffer
		<-started
	}
	return func() []error {
		wg.Wait()
		return errs
	}
}

// TestDeath ends the kernel while calls are in flight: all return, with an
// error that says why, and nothing is left.
func TestDeath(t *testing.T) {
	image := testimg.FS(t, "ext4", testimg.Options{Tree: true})
	cause := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	for _, tt := range []struct {
		name string
		end  func(k *lkl.Kernel)
		is   func(err error) bool
	}{
		{"panic", func(k *lkl.Kernel) { k.Panic() }, func(err error) bool {
			var p *lkl.PanicError
			return errors.As(err, &p) && len(p.Log) > 0 && p.Reason() != ""
		}},
		{"killed from outside", func(k *lkl.Kernel) { unix.Kill(k.Pid(), unix.SIGKILL) }, func(err error) bool {
			var e *lkl.ExitError
			return errors.As(err, &e) && e.Signal == unix.SIGKILL && e.Cause == nil
		}},
		{"segmentation fault", func(k *lkl.Kernel) { unix.Kill(k.Pid(), unix.SIGSEGV) }, func(err error) bool {
			var p *lkl.PanicError
			var e *lkl.ExitError
			return errors.As(err, &p) || errors.As(err, &e)
		}},
		{"exit", func(k *lkl.Kernel) { k.Hostcall(unix.SYS_EXIT_GROUP, 3) }, func(err error) bool {
			var e *lkl.ExitError
			return errors.As(err, &e) && e.Code == 3
		}},
		{"Kill", (*lkl.Kernel).Kill, func(err error) bool { return errors.Is(err, fs.ErrClosed) }},
		{"Close", func(k *lkl.Kernel) { k.Close() }, func(err error) bool { return errors.Is(err, fs.ErrClosed) }},
		{"context", func(*lkl.Kernel) { cancel(cause) }, func(err error) bool { return errors.Is(err, cause) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := rig.Take()
			k, err := rig.BootContext(ctx, &lkl.Config{Testing: true})
			if errors.Is(err, lkl.ErrNoKernel) {
				t.Skip(err)
			}
			rig.Check(t, "boot", err)
			disk, err := rig.AttachOverlay(k, image, 0)
			rig.Check(t, "attach", err)
			dir, err := rig.Mount(k, disk, "ext4", 0, "")
			rig.Check(t, "mount", err)
			wait := inFlight(k, dir)
			tt.end(k)
			select {
			case <-k.Done():
			case <-time.After(20 * time.Second):
				t.Fatal("the kernel did not end")
			}
			for i, err := range wait() {
				if !tt.is(err) {
					t.Errorf("call %d in flight: %+v", i, err)
				}
			}
			if _, err := k.Open("/", 0, 0); !tt.is(err) {
				t.Errorf("a later call: %v", err)
			}
			if !tt.is(k.Err()) {
				t.Errorf("Err: %v", k.Err())
			}
			k.Kill()
			if more := rig.Leaked(before); more != "" {
				t.Error("left behind:", more)
			}
		})
	}
}
