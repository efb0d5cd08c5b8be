package vhdx_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/internal/testimg"
)

func TestMain(m *testing.M) { imgtest.Main(m) }

// kinds are the options of qemu-img create.
var kinds = []string{
	"subformat=dynamic,block_size=1M",
	"subformat=fixed,block_size=1M",
	"block_size=2M,log_size=3M",
	"block_size=8M,block_state_zero=off",
	"subformat=fixed",
	"block_size=16M",
}

// Programs of writes by QEMU and by us in turn, on images that qemu-img created.
func TestPrograms(t *testing.T) {
	for i := range testimg.Count(t, 6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			size := []int64{9<<20 + 512, 5 << 20, 2 << 20, 512, 17<<20 + 7*512}[i%5]
			image := filepath.Join(t.TempDir(), "image.vhdx")
			testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", kinds[i%len(kinds)], image, fmt.Sprint(size))
			p := imgtest.New("vhdx", image, make([]byte, size), 1<<20, uint64(i))
			for range 3 {
				p.Run(t, 2)
				testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vhdx", image)
				imgtest.CheckErrors(t, "vhdx", image)
			}
		})
	}
}

// An image whose writer is killed has what was flushed, for us and for QEMU, which replays
// the log in its own way.
func TestKill(t *testing.T) {
	testimg.Need(t, "qemu-img")
	dir := t.TempDir()
	image, copied := filepath.Join(dir, "image.vhdx"), filepath.Join(dir, "copy.vhdx")
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vhdx", "-o", "block_size=1M", image, "24M")
	before := func() {
		if err := testimg.Copy(image, copied); err != nil {
			t.Fatal(err)
		}
	}
	imgtest.Kill(t, "vhdx", image, testimg.Count(t, 3), func() {
		before()
		testimg.MustRun(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", copied)
		// What QEMU has replayed is what we read without that.
		d := imgtest.Open(t, "vhdx", image, false)
		content := make([]byte, d.Size())
		if _, err := d.ReadAt(content, 0); err != nil {
			t.Fatal(err)
		}
		imgtest.New("vhdx", copied, content, 1<<20, 0).Compare(t)
		os.Remove(copied)
		d.Close()
		if r := imgtest.Check(t, "vhdx", image, disk.RepairAll); r.Errors != r.ErrorsFixed || r.Errors > 1 {
			t.Errorf("%+v", r)
		}
		imgtest.CheckErrors(t, "vhdx", image)
	})
}

// Of the images of QEMU's own tests, one has a log to be replayed: in memory, by us when it
// is opened for writing, and by QEMU, it is the same disk.
func TestQemuSamples(t *testing.T) {
	dir := t.TempDir()
	testimg.Need(t, "bunzip2", "qemu-img")
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "qemu"), "-C", dir, "--strip-components=4", "--wildcards", "*/qemu-iotests/sample_images/*.vhdx.bz2")
	for name, dirty := range map[string]bool{"iotest-dirtylog-10G-4M.vhdx": true, "iotest-dynamic-1G.vhdx": false} {
		image, copied, read := filepath.Join(dir, name), filepath.Join(dir, "copy"), filepath.Join(dir, "read")
		testimg.MustRun(t, "bunzip2", image+".bz2")
		if err := testimg.Copy(image, copied); err != nil {
			t.Fatal(err)
		}
		testimg.MustRun(t, "qemu-img", "check", "-q", "-r", "all", "-f", "vhdx", copied)
		copySparse(t, imgtest.Open(t, "vhdx", image, false), read)
		testimg.MustRun(t, "qemu-img", "compare", "-f", "vhdx", "-F", "raw", copied, read)
		if r := imgtest.Check(t, "vhdx", image, disk.RepairNothing); (r.Errors == 1) != dirty || r.Errors > 1 {
			t.Errorf("%s: %+v", name, r)
		}
		if err := imgtest.Open(t, "vhdx", image, true).Close(); err != nil {
			t.Error(err)
		}
		imgtest.CheckErrors(t, "vhdx", image)
		testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vhdx", image)
		testimg.MustRun(t, "qemu-img", "compare", "-f", "vhdx", "-F", "vhdx", copied, image)
	}
}

// copySparse copies the data of a disk to a file with holes, and closes it.
func copySparse(t *testing.T, d disk.Device, to string) {
	t.Helper()
	defer d.Close()
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(d.Size()); err != nil {
		t.Fatal(err)
	}
	x, _ := disk.As[disk.Extenter](d)
	for e, err := range x.Extents(0, d.Size()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != disk.Data {
			continue
		}
		b := make([]byte, e.Size)
		if _, err := d.ReadAt(b, e.Start); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, e.Start); err != nil {
			t.Fatal(err)
		}
	}
}
