package vmdk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/internal/testimg"
)

// kinds are the options of qemu-img create for images that can be written to.
var kinds = []string{
	"subformat=monolithicSparse",
	"subformat=monolithicSparse,zeroed_grain=on",
	"subformat=monolithicFlat",
	"subformat=twoGbMaxExtentSparse",
	"subformat=twoGbMaxExtentFlat",
	"subformat=monolithicSparse,compat6",
}

func qemuCreate(t *testing.T, image, options string, size int64) {
	t.Helper()
	testimg.MustRun(t, "qemu-img", "create", "-q", "-f", "vmdk", "-o", options, image, fmt.Sprint(size))
}

// Programs of writes by QEMU and by us in turn, on images that qemu-img created.
func TestPrograms(t *testing.T) {
	for i := range testimg.Count(t, 6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			size := []int64{9<<20 + 512, 5 << 20, 64 << 10, 512, 33<<20 + 7*512}[i%5]
			image := filepath.Join(t.TempDir(), "image.vmdk")
			qemuCreate(t, image, kinds[i%len(kinds)], size)
			p := imgtest.New("vmdk", image, make([]byte, size), 64<<10, uint64(i))
			for range 3 {
				p.Run(t, 2)
				testimg.MustRun(t, "qemu-img", "check", "-q", "-f", "vmdk", image)
			}
		})
	}
}

// The same on an image that has a parent, which has one too.
func TestDeltaPrograms(t *testing.T) {
	for i := range testimg.Count(t, 4) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			size := []int64{9<<20 + 512, 5 << 20, 64 << 10, 20 << 20}[i%4]
			content := make([]byte, size)
			below := ""
			for j := range 3 {
				image := filepath.Join(dir, fmt.Sprintf("image%d.vmdk", j))
				options := kinds[(i/4+j)%2]
				if j > 0 {
					options += ",backing_fmt=vmdk,backing_file=" + below
				}
				qemuCreate(t, image, options, size)
				below = filepath.Base(image)
				imgtest.New("vmdk", image, content, 64<<10, uint64(i)).Run(t, 3)
			}
		})
	}
}

// Grains that QEMU compressed.
func TestStreamOptimized(t *testing.T) {
	for i, size := range []int64{9<<20 + 512, 64 << 10, 512, 40 << 20} {
		dir := t.TempDir()
		raw, image := filepath.Join(dir, "raw"), filepath.Join(dir, "image.vmdk")
		testimg.MustRun(t, "truncate", "-s", fmt.Sprint(size), raw)
		p := imgtest.New("raw", raw, make([]byte, size), 64<<10, uint64(i))
		p.Run(t, 3)
		testimg.MustRun(t, "qemu-img", "convert", "-q", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, image)
		p.Format, p.Path = "vmdk", image
		p.Compare(t)
	}
}

// Images of the field, as QEMU reads them, and those that are cut off or make no sense.
func TestField(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{
		"log2timeline.dfvfs-ext2.vmdk":                        "",
		"masahiro331.go-vmdk-parser-vmdk-streamoptimized.img": "",
		"fox-it.dissect.hypervisor-sesparse.vmdk":             "it is an extent",
		"aquasecurity.trivy-monolithicSparse.vmdk":            "the footer is missing",
		"vmware.govmomi-ttylinux-pc_i486-16.1-disk1.vmdk":     "the footer is missing",
		"masahiro331.go-vmdk-parser-vmdk-invalid.img":         "the descriptor has no CID",
	} {
		packed := "../../../shared/cases/files/" + name + ".xz"
		if _, err := os.Stat(packed); err != nil {
			t.Skip("not beside this checkout: ", err)
		}
		image := filepath.Join(dir, name)
		testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" > "+image)
		if want != "" {
			if _, err := openImage(image); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		compare(t, image)
	}
	// The descriptor of what is an extent only.
	image := filepath.Join(dir, "sesparse.vmdk")
	text := "# Disk DescriptorFile\nversion=3\nCID=12345678\nparentCID=ffffffff\ncreateType=\"seSparse\"\n# Extent description\nRW 1048576 SESPARSE \"fox-it.dissect.hypervisor-sesparse.vmdk\"\n"
	if err := os.WriteFile(image, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	compare(t, image)
}

// compare compares an image that is only read with what QEMU reads.
func compare(t *testing.T, image string) {
	t.Helper()
	d := imgtest.Open(t, "vmdk", image, false)
	content := make([]byte, d.Size())
	if _, err := d.ReadAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	imgtest.New("vmdk", image, content, 64<<10, 0).Compare(t)
}

// The images of QEMU's own tests.
func TestQemuSamples(t *testing.T) {
	dir := t.TempDir()
	testimg.Need(t, "bunzip2")
	testimg.MustRun(t, "tar", "-xf", testimg.Source(t, "qemu"), "-C", dir, "--strip-components=4", "--wildcards", "*/qemu-iotests/sample_images/*.vmdk.bz2")
	for name, want := range map[string]string{"afl9.vmdk": "damaged VMDK image", "iotest-version3.vmdk": ""} {
		image := filepath.Join(dir, name)
		testimg.MustRun(t, "bunzip2", image+".bz2")
		d, err := openImage(image)
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		compareSparse(t, d, image)
		d.Close()
	}
}
