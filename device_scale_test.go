package unboot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/lkl"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/md/mdtest"
)

// arrays writes superblocks of arrays of four kinds on blank disks: 66 disks, 20 arrays.
func arrays(t *testing.T) (disks []string) {
	t.Helper()
	for i := range 5 {
		for _, s := range []mdtest.Spec{
			{Level: 1, Disks: 2}, {Level: 5, Layout: 2, Chunk: 64 << 10, Disks: 3}, {Level: 6, Layout: 2, Chunk: 64 << 10, Disks: 4}, {Level: 10, Layout: 0x102, Chunk: 64 << 10, Disks: 4},
		} {
			s.Version, s.Name, s.Sizes = "1.2", fmt.Sprintf("r%d-%d", s.Level, i), []int64{16 << 20}
			disks = append(disks, mdtest.Create(t, s)...)
		}
	}
	return disks
}

// A hundred devices and more, with RAID of four kinds and logical volumes on them, open, are
// written to, and close. What that takes does not grow from one time to the next, and nothing
// is left behind.
func TestHundredDevices(t *testing.T) {
	disks := arrays(t)
	img := openDisks(t, disks, unboot.Writable())
	const perArray = 3
	n := 0
	for _, d := range img.Devices() {
		if d.Volume == nil || d.Volume.Array == nil {
			continue
		}
		g := testvol.LVMGroup{Name: fmt.Sprint("vg", n), PVs: []string{"pv0"}, Size: d.Size}
		for i := range int64(perArray) {
			g.LVs = append(g.LVs, testvol.LinearLV(fmt.Sprint("lv", i), "pv0", i*16, 16))
		}
		n++
		f, err := d.Open(unix.O_RDWR)
		rig.Check(t, "open", err)
		rig.Check(t, "write", errors.Join(g.Write(f, "pv0"), f.Sync(), f.Close()))
	}
	rig.Check(t, "rescan", img.Rescan())
	rig.Check(t, "close", img.Close())
	if n != 20 {
		t.Fatalf("%d arrays", n)
	}
	var before rig.Census
	memory := func(pid int) (kib int) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		rig.Check(t, "status", err)
		_, rss, _ := strings.Cut(string(text), "VmRSS:")
		fmt.Sscan(rss, &kib)
		return kib
	}
	for try := range 3 {
		img := openDisks(t, disks, unboot.Writable())
		lvs := 0
		for _, d := range img.Devices() {
			if d.Kind != unboot.KindLVM {
				continue
			}
			lvs++
			f, err := d.Open(unix.O_RDWR)
			rig.Check(t, "open", err)
			want := []byte(strings.Repeat(d.Name, 512))[:4096]
			got := make([]byte, len(want))
			if try > 0 {
				if _, err := f.ReadAt(got, 8192); err != nil || string(got) != string(want) {
					t.Errorf("%s: %q, %v", d.Name, got[:20], err)
				}
			}
			_, err = f.WriteAt(want, 8192)
			rig.Check(t, "write", errors.Join(err, f.Close()))
		}
		if lvs != perArray*n || len(img.Devices()) != len(disks)+n+lvs || len(img.Inactive()) != 0 {
			t.Errorf("%d volumes of %d devices\n%s", lvs, len(img.Devices()), describe(img))
		}
		// 66 KiB a thread, and the caches of the arrays of levels 5 and 6.
		if kib := memory(img.Kernel().Pid()); kib > 256<<10 {
			t.Errorf("the kernel has %d KiB", kib)
		} else {
			t.Logf("%d devices, %d KiB", len(img.Devices()), kib)
		}
		rig.Check(t, "close", img.Close())
		if try == 0 {
			before = rig.Take()
		}
	}
	if more := rig.Leaked(before); more != "" {
		t.Error("left behind:", more)
	}
}

// A disk below a volume that is open cannot be detached.
func TestDetachBelowVolume(t *testing.T) {
	for _, name := range []string{"lvm-linear", "md-levels", "luks2-pbkdf2", "lvm-thin"} {
		img := openFixture(t, name, testvol.Unpack(t, name))
		if err := img.Kernel().DetachDisk("sda"); err != unix.EBUSY {
			t.Errorf("%s: %v", name, err)
		}
		for _, c := range testvol.Contents(t, name) {
			if err := checkContent(img, c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		rig.Check(t, "close", img.Close())
	}
}

// An image is closed while volumes are open, mounted and read.
func TestCloseWithVolumes(t *testing.T) {
	for _, name := range []string{"lvm-raid", "md-levels", "stack-md-luks-lvm"} {
		for _, opts := range [][]unboot.Option{nil, {unboot.Writable()}} {
			before := rig.Take()
			img := openFixture(t, name, testvol.Writable(t, name), opts...)
			var wg sync.WaitGroup
			for _, d := range img.Devices() {
				if d.Volume == nil {
					continue
				}
				f, err := d.Open(unix.O_RDONLY)
				rig.Check(t, "open", err)
				wg.Go(func() {
					b := make([]byte, 1<<20)
					for off := int64(0); ; off = (off + 1<<16) % d.Size {
						if _, err := f.ReadAt(b, off); errors.Is(err, os.ErrClosed) {
							return
						}
					}
				})
			}
			for _, c := range testvol.Contents(t, name) {
				if _, err := img.Mount(c.Node); err != nil {
					t.Errorf("%s: %v", c.Node, err)
				}
			}
			rig.Check(t, "close", img.Close())
			wg.Wait()
			if more := rig.Leaked(before); more != "" {
				t.Errorf("%s: left behind: %s", name, more)
			}
		}
	}
}

// The context ends while volumes are found: Open returns, with the reason, and nothing is left.
func TestCancelAssembly(t *testing.T) {
	cause := errors.New("had enough")
	disks := testvol.Unpack(t, "lvm-raid")
	before := rig.Take()
	cancelled := 0
	for i := range 30 {
		ctx, cancel := context.WithCancelCause(context.Background())
		timer := time.AfterFunc(time.Duration(i*4)*time.Millisecond, func() { cancel(cause) })
		var opts []unboot.Option
		for _, d := range disks[1:] {
			opts = append(opts, unboot.AddDisk(d))
		}
		img, err := unboot.Open(ctx, disks[0], opts...)
		if errors.Is(err, lkl.ErrNoKernel) {
			t.Skip(err)
		}
		if err == nil {
			<-ctx.Done()
			err = img.Close()
		}
		if err != nil {
			cancelled++
			if !errors.Is(err, cause) && !errors.Is(err, os.ErrClosed) {
				t.Errorf("after %d ms: %v", i*4, err)
			}
		}
		timer.Stop()
		cancel(nil)
	}
	if cancelled == 0 {
		t.Error("none was cancelled")
	}
	if more := rig.Leaked(before); more != "" {
		t.Error("left behind:", more)
	}
}

// Many goroutines look at the disks again, unlock, mount, open and read at once, and the image
// is closed in the middle of it.
func TestVolumesConcurrently(t *testing.T) {
	disks := append(testvol.Writable(t, "stack-lvm-on-luks"), testvol.Writable(t, "lvm-linear")...)
	for range 3 {
		before := rig.Take()
		img := openDisks(t, disks, unboot.Writable())
		var wg sync.WaitGroup
		over := make(chan struct{})
		each := func(f func() error) {
			wg.Go(func() {
				for {
					select {
					case <-over:
						return
					default:
					}
					if err := f(); err != nil && !errors.Is(err, unix.EBUSY) && !errors.Is(err, unboot.ErrNotFound) && !errors.Is(err, os.ErrClosed) && !errors.Is(err, unboot.ErrLocked) {
						t.Errorf("%+v", err)
						return
					}
				}
			})
		}
		for range 2 {
			each(img.Rescan)
			each(func() error {
				d, err := img.Device("/dev/sda2")
				if err == nil {
					err = img.Unlock(d, volume.Key{Kind: volume.Passphrase, Secret: []byte("secret")})
				}
				return err
			})
			for _, node := range []string{"/dev/vg/root", "/dev/vg0/root", "/dev/vg0/span"} {
				each(func() error {
					f, err := img.Mount(node)
					if err != nil {
						return err
					}
					_, err = f.ReadFile("hello.txt")
					return errors.Join(err, f.Unmount())
				})
			}
			each(func() error {
				for _, d := range img.Devices() {
					f, err := d.Open(unix.O_RDONLY)
					if err != nil {
						return err
					}
					_, err = f.ReadAt(make([]byte, 4096), 0)
					if err := errors.Join(err, f.Close()); err != nil {
						return err
					}
					d.Disks()
					d.Children()
					img.Hint(d)
				}
				img.Inactive()
				return nil
			})
		}
		time.Sleep(500 * time.Millisecond)
		if err := img.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		close(over)
		wg.Wait()
		if more := rig.Leaked(before); more != "" {
			t.Error("left behind:", more)
		}
	}
	img := openFixture(t, "stack-lvm-on-luks", disks)
	for _, c := range testvol.Contents(t, "lvm-linear") {
		if err := checkContent(img, c); err != nil {
			t.Error(err)
		}
	}
}
