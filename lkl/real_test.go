package lkl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Tests of this file need a kernel: see bootReal.

func TestRealBoot(t *testing.T) {
	start := time.Now()
	k := bootReal(t, nil)
	t.Logf("booted in %v, the kernel says %v; sandbox: %v", time.Since(start),
		time.Duration(k.w.header.BootNs), k.Sandbox())
	if !strings.Contains(k.Dmesg(), "Linux version") {
		t.Errorf("dmesg: %q", k.Dmesg())
	}
	start = time.Now()
	must(t, "close", k.Close())
	t.Logf("closed in %v", time.Since(start))
}

// ext4Image makes an image that holds a few files.
func ext4Image(t testing.TB, size int64) string {
	t.Helper()
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("no mkfs.ext4")
	}
	dir := t.TempDir()
	tree := dir + "/tree"
	must(t, "mkdir", os.MkdirAll(tree+"/etc", 0o755))
	must(t, "write", os.WriteFile(tree+"/etc/os-release", []byte("ID=test\n"), 0o644))
	must(t, "write", os.WriteFile(tree+"/big", bytes.Repeat([]byte("0123456789abcdef"), 1<<18), 0o644))
	must(t, "symlink", os.Symlink("/etc/os-release", tree+"/link"))
	image := dir + "/image"
	f, err := os.Create(image)
	must(t, "create", err)
	must(t, "truncate", f.Truncate(size))
	f.Close()
	if out, err := exec.Command(mkfs, "-q", "-F", "-b", "4096", "-d", tree, image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	return image
}

// mountDisk attaches a disk and mounts its file system at /mnt.
func mountDisk(t testing.TB, k *Kernel, d Disk, flags uintptr) string {
	t.Helper()
	name, err := k.AttachDisk(d)
	must(t, "attach", err)
	mountName(t, k, name, flags)
	return name
}

func mountName(t testing.TB, k *Kernel, name string, flags uintptr) {
	t.Helper()
	for _, dir := range []string{"/sys", "/mnt", "/dev"} {
		if err := k.Mkdirat(unix.AT_FDCWD, dir, 0o755); err != nil && err != unix.EEXIST {
			t.Fatalf("mkdir %s: %v", dir, err)
		}
	}
	if err := k.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil && err != unix.EBUSY {
		t.Fatalf("mount sysfs: %v", err)
	}
	dev, err := k.ReadFile("/sys/block/"+name+"/dev", 100)
	must(t, "dev", err)
	var major, minor uint32
	fmt.Sscanf(string(dev), "%d:%d", &major, &minor)
	err = k.Mknodat(unix.AT_FDCWD, "/dev/"+name, unix.S_IFBLK|0o600, int(unix.Mkdev(major, minor)))
	if err != nil && err != unix.EEXIST {
		t.Fatalf("mknod: %v", err)
	}
	if err := k.Mount("/dev/"+name, "/mnt", "ext4", flags, ""); err != nil {
		t.Fatalf("mount: %v\n%s", err, k.Dmesg())
	}
}

func open(t testing.TB, path string, flags int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flags, 0o600)
	must(t, "open", err)
	t.Cleanup(func() { f.Close() })
	return f
}

func fsck(t *testing.T, image string) {
	t.Helper()
	if out, err := exec.Command("e2fsck", "-fn", image).CombinedOutput(); err != nil {
		t.Errorf("e2fsck: %v\n%s", err, out)
	}
}

// TestRealCalls does all calls on a file system, by the three ways to serve
// a disk.
func TestRealCalls(t *testing.T) {
	image := ext4Image(t, 64<<20)
	for name, disk := range map[string]Disk{
		"file":    {File: open(t, image, os.O_RDWR)},
		"device":  {Device: fileDevice{open(t, image, os.O_RDWR)}},
		"overlay": {File: open(t, image, os.O_RDWR), ReadOnly: true, Overlay: open(t, t.TempDir()+"/ov", os.O_RDWR|os.O_CREATE)},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := os.ReadFile(image)
			k := bootReal(t, nil)
			disk := mountDisk(t, k, disk, 0)
			if err := k.DetachDisk(disk); err != unix.EBUSY {
				t.Errorf("detach of a mounted disk: %v", err)
			}
			dir := "/mnt/" + name
			must(t, "mkdir", k.Mkdirat(unix.AT_FDCWD, dir, 0o755))
			testCalls(t, k, dir)
			data, err := k.ReadFile("/mnt/big", 1<<30)
			if err != nil || !bytes.Equal(data, bytes.Repeat([]byte("0123456789abcdef"), 1<<18)) {
				t.Errorf("big file: %d, %v", len(data), err)
			}
			root, err := k.Open("/mnt", unix.O_PATH|unix.O_DIRECTORY, 0)
			must(t, "open", err)
			v := k.Chroot(root)
			if data, err := v.ReadFile("/link", 100); string(data) != "ID=test\n" || err != nil {
				t.Errorf("absolute link: %q %v", data, err)
			}
			if data, err := v.ReadFile("/../../etc/os-release", 100); string(data) != "ID=test\n" || err != nil {
				t.Errorf("dots: %q %v", data, err)
			}
			testReadDir(t, k, dir+"/many", func(name string, size int) {
				fd, err := k.Open(name, unix.O_CREAT|unix.O_WRONLY, 0o640)
				must(t, "create", err)
				must(t, "truncate", k.Ftruncate(fd, int64(size)))
				must(t, "close", k.CloseFd(fd))
			})
			must(t, "close", k.CloseFd(root))
			if err := k.Unmount("/mnt", 0); err != nil {
				t.Errorf("unmount: %v", err)
			}
			must(t, "detach", k.DetachDisk(disk))
			must(t, "close", k.Close())
			after, _ := os.ReadFile(image)
			if name == "overlay" != bytes.Equal(before, after) {
				t.Errorf("image is the same: %v", bytes.Equal(before, after))
			}
			fsck(t, image)
		})
	}
}

type fileDevice struct{ *os.File }

func (f fileDevice) Size() int64  { st, _ := f.Stat(); return st.Size() }
func (f fileDevice) Flush() error { return f.Sync() }

func testReadDir(t *testing.T, k *Kernel, dir string, create func(name string, size int)) {
	must(t, "mkdir", k.Mkdirat(unix.AT_FDCWD, dir, 0o755))
	const files = 2000
	for i := range files {
		create(fmt.Sprintf("%s/file-%d", dir, i), i)
	}
	must(t, "symlink", k.Symlinkat("some\ntarget", unix.AT_FDCWD, dir+"/link"))
	fd, err := k.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	must(t, "open", err)
	defer k.CloseFd(fd)
	n := 0
	for d, err := range k.ReadDir(fd, unix.STATX_BASIC_STATS, READDIR_LINK|READDIR_XATTR) {
		must(t, "readdir", err)
		n++
		var i int
		if d.Name == "link" {
			if d.Link != "some\ntarget" || d.Type != unix.DT_LNK {
				t.Errorf("%+v", d)
			}
		} else if _, err := fmt.Sscanf(d.Name, "file-%d", &i); err != nil || d.Stat.Size != uint64(i) || d.Stat.Mode != unix.S_IFREG|0o640 || d.XattrSize != 0 {
			t.Errorf("%+v", d)
		}
	}
	if n != files+1 {
		t.Errorf("%d entries", n)
	}
	testReadDirAt(t, k, dir, files+1)
}

// READDIR_ONCE says the same as a look at each name, also of what is mounted on,
// in use, or was in use.
func TestRealReadDirOnce(t *testing.T) {
	image := ext4Image(t, 64<<20)
	k := bootReal(t, nil)
	mountDisk(t, k, Disk{File: open(t, image, os.O_RDONLY), ReadOnly: true}, unix.MS_RDONLY)
	compare := func(what string) {
		t.Helper()
		for _, dir := range []string{"/mnt", "/mnt/etc"} {
			list := func(flags int) (all []Dirent) {
				for d, err := range k.ReadDirAt(unix.AT_FDCWD, dir, 0, unix.STATX_BASIC_STATS|unix.STATX_BTIME, flags) {
					must(t, "readdir", err)
					all = append(all, *d)
				}
				return all
			}
			const flags = READDIR_LINK | READDIR_XATTR
			if once, named := list(flags|READDIR_ONCE), list(flags); !slices.Equal(once, named) || len(named) == 0 {
				t.Errorf("%s, %s:\n%+v\n%+v", what, dir, once, named)
			}
		}
	}
	compare("nothing in memory")
	compare("everything in memory")
	fd, err := k.Open("/mnt/etc/os-release", unix.O_RDONLY, 0)
	must(t, "open", err)
	compare("a file open")
	must(t, "mount", k.Mount("/mnt/etc/os-release", "/mnt/big", "", unix.MS_BIND, ""))
	compare("a file mounted on")
	var st unix.Statx_t
	if err := k.Statx(unix.AT_FDCWD, "/mnt/big", 0, unix.STATX_SIZE, &st); err != nil || st.Size != 8 {
		t.Errorf("%+v, %v", st, err)
	}
	must(t, "unmount", k.Unmount("/mnt/big", 0))
	must(t, "close", k.CloseFd(fd))
	compare("as before")
	must(t, "unmount", k.Unmount("/mnt", 0))
}

// Close without unmounting loses nothing, and leaves a journal to replay.
func TestRealCloseSyncs(t *testing.T) {
	image := ext4Image(t, 64<<20)
	k := bootReal(t, nil)
	mountDisk(t, k, Disk{File: open(t, image, os.O_RDWR)}, 0)
	want := bytes.Repeat([]byte("data"), 1<<18)
	fd, err := k.Open("/mnt/new", unix.O_CREAT|unix.O_WRONLY, 0o600)
	must(t, "open", err)
	if n, err := k.Write(fd, want); n != len(want) || err != nil {
		t.Fatalf("write: %d %v", n, err)
	}
	must(t, "close", k.Close())

	// Replayed into an overlay: the image stays as it is.
	before, _ := os.ReadFile(image)
	ov, err := NewOverlay("")
	must(t, "overlay", err)
	defer ov.Close()
	k = bootReal(t, nil)
	mountDisk(t, k, Disk{File: open(t, image, os.O_RDONLY), ReadOnly: true, Overlay: ov}, 0)
	if got, err := k.ReadFile("/mnt/new", 1<<30); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d, %v", len(got), err)
	}
	must(t, "unmount", k.Unmount("/mnt", 0))
	must(t, "close", k.Close())
	if after, _ := os.ReadFile(image); !bytes.Equal(before, after) {
		t.Error("the image has changed")
	}
}

// A device that fails, or whose program goes on while it hangs, is an error of
// the calls that need it only.
func TestRealDeviceErrors(t *testing.T) {
	image := ext4Image(t, 64<<20)
	d := &failing{fileDevice: fileDevice{open(t, image, os.O_RDONLY)}, gate: make(chan struct{})}
	k := bootReal(t, nil)
	mountDisk(t, k, Disk{Device: d, ReadOnly: true}, unix.MS_RDONLY)
	d.fail.Store(true)
	if _, err := k.ReadFile("/mnt/big", 1<<30); err != unix.EIO {
		t.Errorf("device that fails: %v", err)
	}
	d.fail.Store(false)
	d.hang.Store(true)
	read := make(chan error)
	go func() {
		_, err := k.ReadFile("/mnt/big", 1<<30)
		read <- err
	}()
	for d.hanging.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if data, err := k.ReadFile("/sys/block/sda/size", 100); err != nil || len(data) == 0 {
		t.Errorf("while a device hangs: %q %v", data, err)
	}
	select {
	case err := <-read:
		t.Errorf("a read of what hangs: %v", err)
	default:
	}
	d.hang.Store(false)
	close(d.gate)
	must(t, "read", <-read)
}

type failing struct {
	fileDevice
	fail, hang atomic.Bool
	hanging    atomic.Int32
	gate       chan struct{}
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.fail.Load() {
		return 0, unix.EIO
	}
	if f.hang.Load() {
		f.hanging.Add(1)
		<-f.gate
	}
	return f.fileDevice.ReadAt(p, off)
}

// Many kernels, at the same time and one after the other: what they leave is
// looked for by TestMain.
func TestRealMany(t *testing.T) {
	bootReal(t, nil)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for range 10 {
				k, err := Boot(context.Background(), nil)
				if err != nil {
					t.Errorf("boot: %+v", err)
					return
				}
				d := newRAMDisk(1 << 20)
				if _, err := k.AttachDisk(Disk{Device: d}); err != nil {
					t.Errorf("attach: %v", err)
				}
				if g%2 == 0 {
					k.Kill()
				} else if err := k.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func TestRealDeath(t *testing.T) {
	k := bootReal(t, &Config{Testing: true})
	err := k.Panic()
	var p *PanicError
	if !errors.As(err, &p) || !strings.Contains(p.Reason(), "asked for") {
		t.Errorf("panic: %+v", err)
	}
	k = bootReal(t, &Config{Testing: true})
	n, err := k.Hostcall(unix.SYS_OPENAT, ^uintptr(99), 0, 0)
	var e *ExitError
	if !errors.As(err, &e) || e.Signal != unix.SIGSYS {
		t.Errorf("forbidden call: %d %+v", n, err)
	}
	k = bootReal(t, nil)
	if err := k.Panic(); err != unix.ENOSYS {
		t.Errorf("panic without Testing: %v", err)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(context.Background())
	k, err = Boot(ctx, nil)
	must(t, "boot", err)
	cancel(cause)
	<-k.Done()
	if _, err := k.Open("/", 0, 0); !errors.Is(err, cause) {
		t.Errorf("canceled: %v", err)
	}
	k.Close()
}

// An idle kernel takes no processor time, nor does this side.
func TestRealIdle(t *testing.T) {
	k := bootReal(t, nil)
	time.Sleep(50 * time.Millisecond)
	a := cpuTime(t, k.Pid())
	time.Sleep(500 * time.Millisecond)
	if b := cpuTime(t, k.Pid()); b > a+1 {
		t.Errorf("%d ticks while idle", b-a)
	}
}

func cpuTime(t *testing.T, pid int) (ticks int) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, "stat", err)
	f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+2:]))
	var u, s int
	fmt.Sscan(f[11], &u)
	fmt.Sscan(f[12], &s)
	return u + s
}

func TestRealInotify(t *testing.T) {
	k := bootReal(t, nil)
	must(t, "mkdir", k.Mkdirat(unix.AT_FDCWD, "/watched", 0o755))
	fd, err := k.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, "inotify_init1", err)
	wd, err := k.InotifyAddWatch(fd, "/watched", unix.IN_CREATE)
	must(t, "inotify_add_watch", err)
	if _, err := k.InotifyAddWatch(fd, "/none", unix.IN_CREATE); err != unix.ENOENT {
		t.Errorf("watch of what is not there: %v", err)
	}
	buf := make([]byte, 512)
	if _, err := k.Read(fd, buf); err != unix.EAGAIN {
		t.Errorf("read without events: %v", err)
	}
	must(t, "mkdir", k.Mkdirat(unix.AT_FDCWD, "/watched/sub", 0o755))
	n, err := k.Read(fd, buf)
	must(t, "read", err)
	if n < unix.SizeofInotifyEvent || int(buf[0]) != wd || !bytes.HasPrefix(buf[unix.SizeofInotifyEvent:n], []byte("sub\x00")) {
		t.Errorf("event %q", buf[:n])
	}
	_, err = k.InotifyRmWatch(fd, uint32(wd))
	must(t, "inotify_rm_watch", err)
	must(t, "close", k.CloseFd(fd))
}
