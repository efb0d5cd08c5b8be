package sandbox

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// cpu returns the processor time that a process has used.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		t.Skip(err)
	}
	var ns int64
	fmt.Sscan(string(data), &ns)
	return time.Duration(ns)
}

// TestIdle: an idle kernel uses no processor time, whatever is mounted. The periodic work
// of a mounted file system is a few wake-ups; work that it has put off may be done in the
// first seconds, so the best of several periods counts.
func TestIdle(t *testing.T) {
	const period, limit = 3 * time.Second, 5 * time.Millisecond
	// The thread that writes the log of xfs back looks twenty times a second
	// for more to do until, a minute later, the log is marked as clean.
	const limitXFS = 4 * limit
	kernels := map[string]*lkl.Kernel{"booted": rig.Boot(t, nil)}
	for _, fstype := range []string{"ext4", "xfs", "btrfs", "f2fs"} {
		image, err := testimg.BuildFS(fstype, testimg.Options{})
		if err != nil {
			t.Log(err)
			continue
		}
		k := rig.Boot(t, nil)
		disk := rig.Attach(t, k, testimg.Writable(t, image))
		dir, err := rig.Mount(k, disk, fstype, 0, "")
		rig.Check(t, "mount", err)
		fd, err := k.Open(dir+"/file", unix.O_CREAT|unix.O_WRONLY, 0o600)
		rig.Check(t, "open", err)
		_, err = k.Pwrite(fd, testimg.Pattern(1<<20, 1), 0)
		rig.Check(t, "write", err)
		rig.Check(t, "close", k.CloseFd(fd))
		rig.Check(t, "sync", k.Sync())
		kernels[fstype] = k
	}
	var own time.Duration
	for range 4 {
		before := map[string]time.Duration{}
		for name, k := range kernels {
			before[name] = cpu(t, k.Pid())
		}
		own = -cpuOwn()
		time.Sleep(period)
		own += cpuOwn()
		for name, k := range kernels {
			used := cpu(t, k.Pid()) - before[name]
			t.Logf("%s: %v in %v", name, used, period)
			if used <= limit || name == "xfs" && used <= limitXFS {
				delete(kernels, name)
			}
		}
		t.Logf("this program: %v", own)
		if len(kernels) == 0 && own < 100*time.Millisecond {
			return
		}
	}
	for name := range kernels {
		t.Errorf("%s: an idle kernel uses processor time", name)
	}
	t.Logf("this program: %v", own)
}

func cpuOwn() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestHundredImages opens and closes images as a scanner does.
func TestHundredImages(t *testing.T) {
	image := testimg.FS(t, "ext4", testimg.Options{Tree: true})
	check := rig.Unchanged(t, image)
	rig.Boot(t, nil).Kill()
	before := rig.Take()
	for i := range 100 {
		k, err := rig.BootContext(t.Context(), nil)
		rig.Check(t, "boot", err)
		disk, err := rig.AttachOverlay(k, image, 0)
		rig.Check(t, "attach", err)
		dir, err := rig.Mount(k, disk, "ext4", unix.MS_RDONLY, "")
		rig.Check(t, "mount", err)
		if data, err := k.ReadFile(dir+"/contents/hello", 100); string(data) != "hello, world\n" || err != nil {
			t.Fatalf("%q, %v", data, err)
		}
		switch i % 4 {
		case 0:
			k.Kill()
		case 1:
			rig.Check(t, "unmount", k.Unmount(dir, 0))
			fallthrough
		default:
			rig.Check(t, "close", k.Close())
		}
	}
	if more := rig.Leaked(before); more != "" {
		t.Error("left behind:", more)
	}
	check()
}
