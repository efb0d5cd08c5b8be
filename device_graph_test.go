package unboot_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// drawn returns the graph of an image, a line a device: what it is, what it lies on, what
// lies on it, and its disks.
func drawn(img *unboot.Image) string {
	names := func(list []*unboot.Device) string {
		var s []string
		for _, d := range list {
			s = append(s, strings.TrimPrefix(d.Name, "/dev/"))
		}
		return strings.Join(s, ",")
	}
	var b strings.Builder
	for _, d := range img.Devices() {
		fmt.Fprintf(&b, "%s %s [%s] [%s] [%s]", strings.TrimPrefix(d.Name, "/dev/"), d.Kind, names(d.Parents()), names(d.Children()), names(d.Disks()))
		if d.Content != nil {
			fmt.Fprintf(&b, " %s", d.Content.Type)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func wantGraph(t *testing.T, img *unboot.Image, want string) {
	t.Helper()
	if got := drawn(img); got != want {
		t.Errorf("the graph is\n%swant\n%s", got, want)
	}
}

const onePartition = "sda disk [] [sda1] [sda]\nsda1 part [sda] [] [sda] ext4\n"

func TestGraph(t *testing.T) {
	testimg.Need(t, "sfdisk", "mkfs.btrfs", "mke2fs")
	ext := extWith(t, 16<<20, "in", "x")
	for name, c := range map[string]struct {
		script string // makes i, and more disks
		disks  string
		want   string
	}{
		"whole disk": {"cp " + ext + " i", "", "sda disk [] [] [sda] ext4\n"},
		"nothing":    {"truncate -s 1M i", "", "sda disk [] [] [sda]\n"},
		"GPT":        {"truncate -s 64M i; printf 'label:gpt\\nstart=2048,size=32768\\n' | sfdisk -q i; dd if=" + ext + " of=i bs=1M seek=1 conv=notrunc status=none", "", onePartition},
		"DOS with logical ones": {"truncate -s 64M i; printf '2048,10240,83\\n,,E\\n,10240,83\\n,10240,83\\n' | sfdisk -q i", "",
			"sda disk [] [sda1,sda2,sda5,sda6] [sda]\nsda1 part [sda] [] [sda]\nsda2 part [sda] [] [sda]\nsda5 part [sda] [] [sda]\nsda6 part [sda] [] [sda]\n"},
		"several disks": {"cp " + ext + " i; truncate -s 64M j k; printf 'label:gpt\\nstart=2048,size=32768\\n' | sfdisk -q j", "j k",
			"sda disk [] [] [sda] ext4\nsdb disk [] [sdb1] [sdb]\nsdb1 part [sdb] [] [sdb]\nsdc disk [] [] [sdc]\n"},
		"btrfs on two disks": {"truncate -s 300M i j; mkfs.btrfs -q -f -d raid1 -m raid1 i j", "j",
			"sda disk [] [] [sda] btrfs\nsdb disk [] [] [sdb] btrfs\n"},
		"number 1000": {"truncate -s 64M i; sgdisk -S 1024 -n 1000:2048:34815 i >/dev/null; dd if=" + ext + " of=i bs=1M seek=1 conv=notrunc status=none", "",
			strings.ReplaceAll(onePartition, "sda1", "sda1000")},
		"hybrid ISO": {`mkdir t; echo 1 >t/one; dd if=/dev/zero of=e bs=1M count=4 status=none; mkfs.vfat --mbr=no e >/dev/null
			head -c 432 /dev/urandom >mbr.bin; dd if=/dev/zero of=t/isolinux.bin bs=2048 count=4 status=none
			xorriso -as mkisofs -quiet -R -V X --grub2-mbr mbr.bin -append_partition 2 0xef e -appended_part_as_gpt -partition_offset 16 \
			-b isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table -o i t 2>/dev/null`, "",
			"sda disk [] [sda1,sda2,sda3] [sda] iso9660\nsda1 part [sda] [] [sda] iso9660\nsda2 part [sda] [] [sda] vfat\nsda3 part [sda] [] [sda]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			path := shell(t, "i", c.script)
			var opts []unboot.Option
			for _, d := range strings.Fields(c.disks) {
				opts = append(opts, unboot.AddDisk(filepath.Join(filepath.Dir(path), d)))
			}
			img := open(t, path, opts...)
			wantGraph(t, img, c.want)
			before := img.Devices()
			if err := img.Rescan(); err != nil || !slices.Equal(img.Devices(), before) {
				t.Errorf("a rescan of what has not changed: %v\n%s", err, drawn(img))
			}
			for _, d := range before {
				for _, name := range append([]string{d.Name, strings.TrimPrefix(d.Name, "/dev/")}, d.Aliases...) {
					if got, err := img.Device(name); got != d {
						t.Errorf("%s: %v, %v", name, got, err)
					}
				}
			}
		})
	}
}

// The host's kernel and lsblk(8) divide an image in the same way.
func TestGraphIsThatOfLsblk(t *testing.T) {
	testimg.NeedRoot(t)
	testimg.Need(t, "losetup", "lsblk", "sfdisk", "partx")
	for name, script := range map[string]string{
		"gpt": "label:gpt\nsize=10M,name=one\nsize=20M\nsize=5M",
		"dos": "2048,10240,83\n,,E\n,10240,83\n,10240,83\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := shell(t, "i", "truncate -s 64M i; printf '"+script+"' | sfdisk -q i")
			out, err := exec.Command("losetup", "-f", "--show", "-r", path).Output()
			if err != nil {
				t.Skipf("losetup: %v", err)
			}
			loop := strings.TrimSpace(string(out))
			t.Cleanup(func() { exec.Command("losetup", "-d", loop).Run() })
			t.Cleanup(func() { exec.Command("partx", "-d", loop).Run() })
			if out, err := exec.Command("partx", "-a", loop).CombinedOutput(); err != nil {
				t.Skipf("partx: %v: %s", err, out)
			}
			out, err = exec.Command("lsblk", "-Jb", "-o", "NAME,PATH,TYPE,SIZE,START", loop).Output()
			if err != nil {
				t.Skipf("lsblk: %v", err)
			}
			type device struct {
				Path, Type  string
				Size, Start int64
				Children    []device
			}
			var said struct{ Blockdevices []device }
			if err := json.Unmarshal(out, &said); err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, c := range said.Blockdevices[0].Children {
				want = append(want, fmt.Sprintf("%s %s %d+%d", c.Type, strings.TrimPrefix(c.Path, loop+"p"), c.Start*512, c.Size))
			}
			img := open(t, path)
			for _, d := range img.Devices()[0].Children() {
				size := d.Size
				if typ := d.Partition.Type; typ == "0x05" || typ == "0x0f" {
					size = 1024 // what Linux shows of it
				}
				got = append(got, fmt.Sprintf("%s %d %d+%d", d.Kind, d.Partition.Number, d.Partition.Start, size))
			}
			if len(want) < 3 || !slices.Equal(got, want) {
				t.Errorf("%q, lsblk says %q", got, want)
			}
		})
	}
}

// A loop device lies on the device of the file system that has its file, is one of the
// image's as long as it is mounted, and is never what is found rather than asked for.
func TestGraphOfLoops(t *testing.T) {
	read := func(path string) []byte { return must(os.ReadFile(path)) }
	inner := extWith(t, 4<<20, "file", "inner\n")
	middle := testimg.FS(t, "ext4", testimg.Options{Size: 24 << 20, Tree: true})
	outer := testimg.Writable(t, testimg.FS(t, "ext4", testimg.Options{Size: 64 << 20, Tree: true}))
	img := open(t, outer, unboot.Writable())
	f := must(img.Mount("sda"))
	for _, err := range []error{f.WriteFile("middle.img", read(middle), 0o644), f.Mkdir("m", 0o755), f.Mkdir("n", 0o755),
		f.Symlink("middle.img", "link")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	disk := img.Devices()[0]
	if err := f.MountLoop("link", "m"); err != nil {
		t.Fatal(err)
	}
	one := "sda disk [] [loop0] [sda] ext4\nloop0 loop [sda] [] [sda] ext4\n"
	wantGraph(t, img, one)
	if err := f.WriteFile("m/inner.img", read(inner), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.MountLoop("m/inner.img", "n"); err != nil {
		t.Fatal(err)
	}
	two := "sda disk [] [loop0] [sda] ext4\nloop0 loop [sda] [loop1] [sda] ext4\nloop1 loop [loop0] [] [sda] ext4\n"
	wantGraph(t, img, two)
	wantFile(t, f, "n/file", "inner\n")
	before := img.Devices()
	if before[0] != disk {
		t.Error("the disk is another value")
	}
	if err := img.Rescan(); err != nil || !slices.Equal(img.Devices(), before) {
		t.Errorf("a rescan: %v\n%s", err, drawn(img))
	}
	if again, err := img.MountAuto(); err != nil || again.Mounts()[0].Device != "/dev/sda" {
		t.Errorf("%v", err)
	}
	if err := f.UnmountAt("n", 0); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, img, one)
	if err := f.Unmount(); err != nil {
		t.Fatal(err)
	}
	wantGraph(t, img, "sda disk [] [] [sda] ext4\n")
	if list := before[2].Parents(); len(list) != 1 || list[0] != before[1] {
		t.Errorf("what has gone lay on %v", list)
	}
}

// Names that come from an image are never taken for those of devices.
func TestHostileNames(t *testing.T) {
	testimg.Need(t, "sfdisk", "mke2fs")
	path := shell(t, "i", `truncate -s 64M i; printf 'label:gpt\nsize=10M,name="/dev/sda2"\nsize=10M,name="../x"\nsize=10M,name="UUID=1"\n' | sfdisk -q i
		mke2fs -q -F -t ext4 -L /dev/sda3 -E offset=1048576 i 9M 2>/dev/null`)
	img := open(t, path)
	for name, want := range map[string]string{
		"/dev/sda2": "/dev/sda2", "/dev/sda3": "/dev/sda3", "PARTLABEL=/dev/sda2": "/dev/sda1", "LABEL=/dev/sda3": "/dev/sda1",
		"PARTLABEL=../x": "/dev/sda2", "PARTLABEL=UUID=1": "/dev/sda3", "../x": "", "UUID=1": "", "UUID=": "", "": "", "/dev/": "", "/dev/../etc": "",
	} {
		got := ""
		if d, err := img.Device(name); err == nil {
			got = d.Name
		}
		if got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
