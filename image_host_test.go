package unboot_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// loopDevice makes a file a block device of the host until the test is over.
func loopDevice(t *testing.T, path string, sector int) string {
	t.Helper()
	testimg.NeedRoot(t)
	testimg.Need(t, "losetup")
	out, err := exec.Command("losetup", "-f", "--show", "-b", fmt.Sprint(sector), path).Output()
	if err != nil {
		t.Skipf("losetup: %v", err)
	}
	loop := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "-d", loop).Run() })
	exec.Command("udevadm", "settle").Run() // which looks at it, where there is a udev
	return loop
}

// A block device of the host is a disk, with its own size and sectors, and what is
// written arrives there.
func TestHostBlockDevice(t *testing.T) {
	path := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 64 << 20, Tree: true}))
	loop := loopDevice(t, path, 512)

	f := mount(t, loop, unboot.Writable())
	if d := f.Image().Disks()[0]; d.Path != loop || d.Size != 64<<20 || d.SectorSize != 512 {
		t.Errorf("%+v", d)
	}
	if _, err := unboot.Open(t.Context(), loop, unboot.Writable()); !errors.Is(err, disk.ErrInUse) {
		t.Errorf("a second writer: %v", err)
	}
	content := testimg.Pattern(3<<20+5, 1)
	if err := f.WriteFile("new", content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Image().Close(); err != nil {
		t.Fatal(err)
	}
	testimg.MustRun(t, "e2fsck", "-fn", loop)
	read := mount(t, loop)
	if got, err := read.ReadFile("new"); string(got) != string(content) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if got := testimg.MustRun(t, "debugfs", "-R", "cat /new", loop); !strings.Contains(got, string(content)) {
		t.Error("debugfs reads something else on the device")
	}
}

// The sectors of a block device are as large as the host says.
func TestHostSectorSize(t *testing.T) {
	loop := loopDevice(t, testimg.Writable(t, testimg.FS(t, "xfs", testimg.Options{})), 4096)
	img := open(t, loop)
	if d := img.Disks()[0]; d.SectorSize != 4096 {
		t.Errorf("%+v", d)
	}
}

// Memory is what the kernel stays within, however much there is to be cached, and
// it takes more than that where it may.
func TestMemory(t *testing.T) {
	const bound = 64 << 20
	total := func(opts ...unboot.Option) (bytes int64) {
		f := mount(t, blank(t, "ext4"), append(opts, unboot.Writable())...)
		v := f.View()
		fd := must(v.Open("/large", unix.O_CREAT|unix.O_WRONLY, 0o644))
		defer v.CloseFd(fd)
		piece := make([]byte, 32<<10) // larger ones go past the kernel's cache
		for off := int64(0); off < 200<<20; off += int64(len(piece)) {
			must(v.Pwrite(fd, piece, off))
		}
		info := must(f.Image().Kernel().ReadFile("/proc/meminfo", 1<<20))
		must(fmt.Sscanf(string(info), "MemTotal: %d kB", &bytes))
		return bytes << 10
	}
	if n := total(unboot.Memory(bound)); n > bound || n < bound/2 {
		t.Errorf("the kernel has taken %d bytes of %d", n, bound)
	}
	if n := total(); n <= bound || n > unboot.WritableMemory {
		t.Errorf("without a bound, it has taken %d bytes", n)
	}
	if _, err := unboot.Open(t.Context(), blank(t, "ext4"), unboot.Memory(lkl.MinMemory-1)); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("less than there has to be: %v", err)
	}
}
