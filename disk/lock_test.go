package disk_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
)

var writable = disk.Options{Writable: true}

func TestLockTwoWriters(t *testing.T) {
	path := image(t, 1<<20, "")
	a, err := disk.OpenRaw(path, writable)
	if err != nil {
		t.Fatal(err)
	}
	_, err = disk.OpenRaw(path, writable)
	if !errors.Is(err, disk.ErrInUse) {
		t.Errorf("second writer: %v", err)
	}
	if want := path + ": in use by another program for writing (a running virtual machine?)"; err != nil && !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%q does not end in %q", err, want)
	}
	for name, o := range map[string]disk.Options{"reader": {}, "no lock": {Writable: true, NoLock: true}} {
		r, err := disk.OpenRaw(path, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r.Close()
	}
	// Leftovers of the attempts must not be in the way.
	a.Close()
	a, err = disk.OpenRaw(path, writable)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	defer a.Close()

	// A duplicate, as the kernel process has it, keeps the lock.
	dup, err := unix.FcntlInt(a.File().Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if _, err := disk.OpenRaw(path, writable); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("with a duplicate left: %v", err)
	}
	unix.Close(dup)
}

// A program that starts others while it opens and closes images does not find them in use: a
// process that is being started has duplicates of all descriptors until it executes its program.
func TestLockFork(t *testing.T) {
	path := image(t, 1<<20, "")
	a, err := disk.OpenRaw(path, writable)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, e := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err != nil || to != path {
			continue
		}
		fd, _ := strconv.Atoi(e.Name())
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(dup)
		found = true
	}
	if !found {
		t.Fatal("its descriptor was not found")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	b, err := disk.OpenRaw(path, writable)
	if err != nil {
		t.Fatal(err)
	}
	// What does not get the lock leaves nothing of it, either.
	if _, err := disk.OpenRaw(path, writable); !errors.Is(err, disk.ErrInUse) {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestLockReaderTakesNone(t *testing.T) {
	path := image(t, 1<<20, "")
	r, err := disk.OpenRaw(path, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := disk.OpenRaw(path, writable)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

// A lock that a program with a scheme of its own takes on the whole file.
func TestLockForeign(t *testing.T) {
	path := image(t, 1<<20, "")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.OpenRaw(path, writable); !errors.Is(err, disk.ErrInUse) {
		t.Error(err)
	}
}

// qemuIO returns a started qemu-io that has the image open, as a virtual
// machine would.
func qemuIO(t *testing.T, path string, args ...string) {
	t.Helper()
	bin, err := exec.LookPath("qemu-io")
	if err != nil {
		t.Skip("no qemu-io")
	}
	cmd := exec.Command(bin, append(args, "-f", "raw", path)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	// It answers once it has opened the image.
	fmt.Fprintln(in, "length")
	buf := make([]byte, 4096)
	var answer string
	for !strings.Contains(answer, "MiB") {
		n, err := out.Read(buf)
		answer += string(buf[:n])
		if err != nil {
			t.Fatalf("qemu-io: %v: %s", err, answer)
		}
	}
}

func TestLockAgainstQemu(t *testing.T) {
	t.Run("qemu writes", func(t *testing.T) {
		path := image(t, 1<<20, "")
		qemuIO(t, path)
		if _, err := disk.OpenRaw(path, writable); !errors.Is(err, disk.ErrInUse) {
			t.Errorf("while qemu has it: %v", err)
		}
		r, err := disk.OpenRaw(path, disk.Options{})
		if err != nil {
			t.Fatalf("reading while qemu has it: %v", err)
		}
		r.Close()
	})
	t.Run("we write", func(t *testing.T) {
		bin, err := exec.LookPath("qemu-io")
		if err != nil {
			t.Skip("no qemu-io")
		}
		path := image(t, 1<<20, "")
		w, err := disk.OpenRaw(path, writable)
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(bin, "-f", "raw", "-c", "write 0 512", path).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "lock") {
			t.Errorf("qemu-io wrote while we have it: %v: %s", err, out)
		}
		w.Close()
		if out, err := exec.Command(bin, "-f", "raw", "-c", "write 0 512", path).CombinedOutput(); err != nil {
			t.Errorf("after Close: %v: %s", err, out)
		}
	})
}

// A block device is opened exclusively, which also keeps out what is mounted.
func TestLockBlockDevice(t *testing.T) {
	losetup, err := exec.LookPath("losetup")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and losetup")
	}
	path := image(t, 1<<20, "")
	out, err := exec.Command(losetup, "--find", "--show", path).CombinedOutput()
	if err != nil {
		t.Skipf("losetup: %v: %s", err, out)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command(losetup, "-d", dev).Run() })
	if _, err := os.Stat(filepath.Clean(dev)); err != nil {
		t.Skip(err)
	}
	var a *disk.Raw
	for range 50 { // udev may look at it for a moment
		if a, err = disk.OpenRaw(dev, writable); !errors.Is(err, disk.ErrInUse) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if !a.IsBlockDevice() || a.SectorSize() != 512 || a.Size() != 1<<20 {
		t.Errorf("size %d, sectors of %d", a.Size(), a.SectorSize())
	}
	if _, err := disk.OpenRaw(dev, writable); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("second writer: %v", err)
	}
	r, err := disk.OpenRaw(dev, disk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
}
