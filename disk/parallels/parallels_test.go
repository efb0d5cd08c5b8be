package parallels_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/imgtest"
	"github.com/unboot/unboot/disk/internal/testdisk"
	"github.com/unboot/unboot/disk/parallels"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/internal/testimg"
)

func TestQemu(t *testing.T) {
	for i, options := range []string{"cluster_size=1048576", "cluster_size=65536"} {
		for _, size := range []int{3<<20 + 512, 512} {
			content := imgtest.Content(size, uint64(i))
			image := imgtest.Convert(t, content, "parallels", "-o", options)
			imgtest.Same(t, imgtest.Open(t, "parallels", image, false), content)
		}
	}
}

// An image of the old kind, of QEMU's tests.
func TestQemuSamples(t *testing.T) {
	testimg.Need(t, "qemu-img")
	dir := imgtest.Samples(t, "parallels-v2")
	imgtest.AsQemu(t, "parallels", "parallels", filepath.Join(dir, "parallels-v2"))
}

// A storage is from a sector on to another, and has images, the current one first.
func descriptor(size int, storages ...string) []byte {
	return []byte(fmt.Sprintf(`<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0">
    <Disk_Parameters><Disk_size>%d</Disk_size><LogicSectorSize>512</LogicSectorSize></Disk_Parameters>
    <StorageData>%s</StorageData>
    <Snapshots>
        <TopGUID>{5FBAABE3-6958-40ff-92a7-860e329aab41}</TopGUID>
        <Shot><GUID>{5fbaabe3-6958-40ff-92a7-860e329aab41}</GUID><ParentGUID>{00000000-0000-0000-0000-000000000001}</ParentGUID></Shot>
        <Shot><GUID>{00000000-0000-0000-0000-000000000001}</GUID><ParentGUID>{00000000-0000-0000-0000-000000000000}</ParentGUID></Shot>
    </Snapshots>
</Parallels_disk_image>
`, size/512, strings.Join(storages, "\n")))
}

func storage(start, end int, images ...string) string {
	s := fmt.Sprintf("<Storage><Start>%d</Start><End>%d</End><Blocksize>2048</Blocksize>", start/512, end/512)
	for i, name := range images {
		guid := []string{"{5fbaabe3-6958-40ff-92a7-860e329aab41}", "{00000000-0000-0000-0000-000000000001}"}[i]
		kind := "Compressed"
		if strings.HasSuffix(name, ".raw") {
			kind = "Plain"
		}
		s += fmt.Sprintf("<Image><GUID>%s</GUID><Type>%s</Type><File>%s</File></Image>", guid, kind, name)
	}
	return s + "</Storage>"
}

// A bundle of two storages, each with a snapshot: an expanding image on an expanding one, and
// on a plain one.
func bundle(t testing.TB) (dir string, content []byte) {
	t.Helper()
	content = imgtest.Content(4<<20, 8)
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	delta := func() []byte {
		image := imgtest.Convert(t, make([]byte, 2<<20), "parallels", "-o", "cluster_size=65536")
		testimg.MustRun(t, "qemu-io", "-t", "unsafe", "-f", "parallels", "-c", "write -P 0x5a 64k 128k", image)
		return read(image)
	}
	dir = imgtest.Write(t, map[string][]byte{
		"DiskDescriptor.xml": descriptor(4<<20, storage(2<<20, 4<<20, "b.hds", "b.raw"), storage(0, 2<<20, "a.hds", "a0.hds")),
		"a.hds":              delta(),
		"a0.hds":             read(imgtest.Convert(t, content[:2<<20], "parallels")),
		"b.hds":              delta(),
		"b.raw":              bytes.Clone(content[2<<20:]),
	})
	for _, at := range []int{64 << 10, 2<<20 + 64<<10} {
		copy(content[at:], bytes.Repeat([]byte{0x5a}, 128<<10))
	}
	return dir, content
}

func TestBundle(t *testing.T) {
	dir, content := bundle(t)
	for _, name := range []string{dir, filepath.Join(dir, parallels.DescriptorName)} {
		imgtest.Same(t, imgtest.Open(t, "", name, false), content)
		if _, err := source.Open(context.Background(), name, source.Options{}); !errors.Is(err, disk.ErrNotAllowed) {
			t.Error(err)
		}
		info, err := source.Stat(context.Background(), name, source.Options{})
		if err != nil || info.Size != 4<<20 || len(info.References) != 4 {
			t.Errorf("%+v, %v", info, err)
		}
	}
}

func TestDamagedBundle(t *testing.T) {
	image, err := os.ReadFile(imgtest.Convert(t, make([]byte, 1<<20), "parallels"))
	if err != nil {
		t.Fatal(err)
	}
	refer := func(ref disk.Reference) (disk.Device, error) {
		return source.Known().Format(ref.Format).Open(testdisk.ReadOnly(image), ref.Name, nil)
	}
	for want, b := range map[string][]byte{
		"follows 2048":                descriptor(2<<20, storage(0, 1<<20, "a.hds"), storage(3<<19, 2<<20, "a.hds")),
		"of a disk of 4096":           descriptor(2<<20, storage(0, 1<<20, "a.hds")),
		"and its storage 2097152":     descriptor(2<<20, storage(0, 2<<20, "a.hds")),
		"is one of changes":           descriptor(1<<19, storage(0, 1<<19, "a.raw", "a.hds")),
		"circle":                      bytes.ReplaceAll(descriptor(1<<19, storage(0, 1<<19, "a.hds")), []byte("{00000000-0000-0000-0000-000000000000}"), []byte("{00000000-0000-0000-0000-000000000001}")),
		"has 0 images":                descriptor(1<<19, storage(0, 1<<19)),
		"not relative to the image":   descriptor(1<<19, storage(0, 1<<19, `C:\a.hds`)),
		"the descriptor: XML syntax":  descriptor(1<<19, storage(0, 1<<19, "a.hds"))[:400],
		"sectors of 4096 bytes":       bytes.Replace(descriptor(1<<19, storage(0, 1<<19, "a.hds")), []byte("<LogicSectorSize>512"), []byte("<LogicSectorSize>4096"), 1),
		"the descriptor has 0 storag": descriptor(1 << 19),
	} {
		_, err := parallels.Open(testdisk.ReadOnly(b), "image", refer)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestDamage(t *testing.T) {
	good, err := os.ReadFile(imgtest.Convert(t, imgtest.Content(1<<20, 5), "parallels"))
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(b []byte) []byte{
		"blocks of 0 sectors":           func(b []byte) []byte { clear(b[28:32]); return b },
		"version 3":                     func(b []byte) []byte { b[16] = 3; return b },
		"a disk of":                     func(b []byte) []byte { b[43] = 0xff; return b },
		"header of 64 bytes":            func(b []byte) []byte { return b[:63] },
		"past the end of the file (was": func(b []byte) []byte { b[66] = 9; return b },
	} {
		d, err := parallels.Open(testdisk.ReadOnly(change(bytes.Clone(good))), "image", nil)
		if err == nil {
			_, err = d.ReadAt(make([]byte, d.Size()), 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzImage(f *testing.F) {
	testimg.Need(f, "qemu-img")
	b, err := os.ReadFile(imgtest.Convert(f, imgtest.Content(1<<16, 1), "parallels", "-o", "cluster_size=65536"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(descriptor(4096, storage(2048, 4096, "b.hds", "b.raw"), storage(0, 2048, "a.raw")))
	f.Fuzz(func(t *testing.T, b []byte) { imgtest.Fuzz(t, "parallels", b, make([]byte, 4096)) })
}
