package unboot_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/internal/testimg"
)

// shell runs a script in a folder of its own and returns the path of a file there.
func shell(t *testing.T, result, script string) string {
	t.Helper()
	dir := t.TempDir()
	testimg.MustRun(t, "sh", "-ec", "PATH=$PATH:/sbin:/usr/sbin; cd "+dir+"\n"+script)
	return filepath.Join(dir, result)
}

// extWith returns an ext4 with a file of this content.
func extWith(t *testing.T, size int64, name, content string) string {
	t.Helper()
	return testimg.FS(t, "ext4", testimg.Options{Size: size, Tree: true, Nodes: []testimg.Node{
		{Path: name, Mode: 0o644, Size: int64(len(content)), Chunks: []testimg.Chunk{{Data: []byte(content)}}}}})
}

func wantFile(t *testing.T, f *unboot.FS, name, want string) {
	t.Helper()
	if got, err := f.ReadFile(name); err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", name, got, err, want)
	}
}

// A GPT whose primary header, or whose primary entries, are damaged is read from its
// backup; a partition can have any number that a table has; and a table that no MBR
// announces counts only where nothing else is.
func TestUnusualGPT(t *testing.T) {
	testimg.Need(t, "sgdisk", "dd")
	ext := extWith(t, 16<<20, "in", "partition\n")
	for name, c := range map[string]struct{ args, damage, device string }{
		"primary header":    {"-n 1:2048:34815", "printf xxxx | dd of=g.img bs=1 seek=530 conv=notrunc status=none", "/dev/sda1"},
		"primary entries":   {"-n 1:2048:34815", "printf xxxx | dd of=g.img bs=1 seek=1100 conv=notrunc status=none", "/dev/sda1"},
		"number 200":        {"-S 248 -n 200:2048:34815", ":", "/dev/sda200"},
		"number 255":        {"-S 1024 -n 255:2048:34815", ":", "/dev/sda255"},
		"number 256":        {"-S 1024 -n 256:2048:34815", ":", "/dev/sda256"},
		"number 1000":       {"-S 1024 -n 1000:2048:34815 -n 1:40960:43007 -n 255:45056:47103", ":", "/dev/sda1000"},
		"no protective MBR": {"-n 1:2048:34815", "dd if=/dev/zero of=g.img bs=512 count=1 conv=notrunc status=none", "/dev/sda1"},
	} {
		t.Run(name, func(t *testing.T) {
			path := shell(t, "g.img", "truncate -s 64M g.img; sgdisk "+c.args+" g.img >/dev/null\n"+
				"dd if="+ext+" of=g.img bs=512 seek=2048 conv=notrunc status=none\n"+c.damage)
			img := open(t, path, unboot.Writable())
			f, err := img.MountAuto()
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, f, "in", "partition\n")
			if got := f.Mounts()[0].Device; got != c.device {
				t.Errorf("%s is mounted, want %s", got, c.device)
			}
			d, err := img.Device(c.device)
			if err != nil || d.Partition.Start != 1<<20 || d.Size != 16<<20 || d.Partition.Type != "0fc63daf-8483-4772-8e79-3d69d8477de4" {
				t.Errorf("%+v, %v", d, err)
			}
			if err := f.WriteFile("new", []byte("written\n"), 0o644); err != nil {
				t.Error(err)
			}
			if err := img.Rescan(); err != nil {
				t.Error(err)
			}
			if again, err := img.Device(c.device); err != nil || again != d {
				t.Errorf("after a rescan: %+v, %v", again, err)
			}
			if err := img.Close(); err != nil {
				t.Error(err)
			}
			wantFile(t, mount(t, path), "new", "written\n")
		})
	}
}

// A file system over a whole disk that once had a GPT is what the disk holds: mkfs has
// overwritten the primary table, and not the backup.
func TestOldGPT(t *testing.T) {
	testimg.Need(t, "sgdisk")
	ext := extWith(t, 32<<20, "whole", "disk\n")
	path := shell(t, "o.img", "truncate -s 64M o.img; sgdisk -n 1:2048:34815 o.img >/dev/null\n"+
		"dd if="+ext+" of=o.img bs=1M conv=notrunc status=none")
	img := open(t, path)
	f, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, f, "whole", "disk\n")
	if err := img.Rescan(); err != nil {
		t.Error(err)
	}
	if n := len(img.Devices()); n != 1 {
		t.Errorf("%d devices", n)
	}
}

// An image is found to be one file system where it is seen as several: a FAT that has a
// partition table in its boot sector, a CD with a partition for firmware in it.
func TestOneFileSystem(t *testing.T) {
	for name, c := range map[string]struct{ tools, script, device string }{
		"mkfs.vfat --mbr": {"mkfs.vfat mcopy", "truncate -s 64M i; mkfs.vfat --mbr=yes -n TEST i >/dev/null; mcopy -i i one ::one", "/dev/sda"},
		"mformat":         {"mformat mcopy", "truncate -s 64M i; mformat -i i -F -v TEST ::; mcopy -i i one ::one", "/dev/sda"},
		"floppy":          {"mformat mcopy", "truncate -s 1440K i; mformat -i i -f 1440 ::; mcopy -i i one ::one", "/dev/sda"},
		"ISO with an ESP behind": {"xorriso mkfs.vfat", `dd if=/dev/zero of=efi.img bs=1M count=4 status=none; mkfs.vfat --mbr=no efi.img >/dev/null
			mkdir t; mv one t; dd if=/dev/zero of=t/isolinux.bin bs=2048 count=4 status=none
			head -c 432 /dev/urandom >mbr.bin
			xorriso -as mkisofs -quiet -R -J -V UBUNTU --grub2-mbr mbr.bin -append_partition 2 0xef efi.img -appended_part_as_gpt \
			-partition_offset 16 -b isolinux.bin -no-emul-boot -boot-load-size 4 -boot-info-table -eltorito-alt-boot \
			-e '--interval:appended_partition_2:all::' -no-emul-boot -o i t 2>/dev/null`, "/dev/sda"},
		"ISO and HFS+": {"xorriso", "mkdir t; mv one t; xorriso -as mkisofs -quiet -R -hfsplus -V HYBRID -o i t 2>/dev/null", "/dev/sda"},
	} {
		t.Run(name, func(t *testing.T) {
			testimg.Need(t, strings.Fields(c.tools)...)
			f := mount(t, shell(t, "i", "echo 1 >one\n"+c.script))
			wantFile(t, f, "one", "1\n")
			if got := f.Mounts()[0].Device; got != c.device {
				t.Errorf("%s is mounted, want %s", got, c.device)
			}
		})
	}
}

// The end of an image that was cut off reads as zeros, with a word about it; its last
// sector may be a part of one. Nothing of that is written.
func TestCutOff(t *testing.T) {
	ext := extWith(t, 60<<20, "first", "here\n")
	for name, script := range map[string]string{
		"ext4":           "cp " + ext + " i; truncate -s 50000000 i",
		"GPT":            "truncate -s 64M i; sgdisk -n 1:2048:124927 i >/dev/null; dd if=" + ext + " of=i bs=1M seek=1 conv=notrunc status=none; truncate -s 40M i",
		"in a partition": "truncate -s 64M i; echo start=2048,size=122880,type=83 | sfdisk -q i; dd if=" + ext + " of=i bs=1M seek=1 conv=notrunc status=none; truncate -s $((40<<20|100)) i",
	} {
		t.Run(name, func(t *testing.T) {
			path := shell(t, "i", script)
			whole := open(t, path)
			f, err := whole.MountAuto()
			if err != nil {
				t.Fatal(err)
			}
			wantFile(t, f, "first", "here\n")
			before, problems := whole.Devices(), whole.Problems()
			if err := whole.Rescan(); err != nil || !slices.Equal(whole.Devices(), before) {
				t.Errorf("after a rescan: %v, %v; before: %v", whole.Devices(), err, before)
			}
			if after := strings.Join(whole.Problems(), "\n"); !strings.Contains(after, "the end of the disk is missing") {
				t.Errorf("problems: %q, before: %q", after, problems)
			}
			if p := strings.Join(f.Problems(), "\n"); !strings.Contains(p, "are missing, and read as zeros") {
				t.Errorf("problems: %q", p)
			}
			img := open(t, path, unboot.Writable())
			if f, err := img.MountAuto(); err == nil || !strings.Contains(err.Error(), "it can only be read") {
				t.Errorf("for writing: %v, %v", f, err)
			}
		})
	}
	t.Run("xfs", func(t *testing.T) {
		testimg.Need(t, "mkfs.xfs")
		f := mount(t, shell(t, "i", "truncate -s 320M i; mkfs.xfs -q i; truncate -s 300M i"))
		if _, err := f.ReadDir("."); err != nil || len(f.Problems()) != 1 {
			t.Error(err, f.Problems())
		}
	})
}

// Firmware and AppImages have squashfs without padding.
func TestPartOfSector(t *testing.T) {
	testimg.Need(t, "mksquashfs")
	path := shell(t, "i", "mkdir t; echo 1 >t/one; head -c 1000 /dev/urandom >t/other; mksquashfs t i -nopad -quiet -no-progress >/dev/null")
	st, err := os.Stat(path)
	if err != nil || st.Size()%512 == 0 {
		t.Fatal(st.Size(), err)
	}
	f := mount(t, path)
	wantFile(t, f, "one", "1\n")
	if p := f.Problems(); len(p) != 0 {
		t.Error(p)
	}
}

// One disk of a mirrored btrfs on two is enough to read it, and a warning says so.
func TestDegraded(t *testing.T) {
	testimg.Need(t, "mkfs.btrfs")
	dir := filepath.Dir(shell(t, "a", "truncate -s 300M a b; mkfs.btrfs -q -f -d raid1 -m raid1 a b"))
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	f := mount(t, a)
	if p := strings.Join(f.Problems(), "\n"); !strings.Contains(p, "1 of the 2 devices") {
		t.Errorf("problems: %q", p)
	}
	if _, err := open(t, b, unboot.Writable()).MountAuto(); err == nil || !strings.Contains(err.Error(), "option degraded") {
		t.Errorf("for writing: %v", err)
	}
	if p := mount(t, a, unboot.AddDisk(b)).Problems(); len(p) != 0 {
		t.Errorf("with both: %q", p)
	}
}

// A journal on another partition or disk of the image is found.
func TestExternalJournal(t *testing.T) {
	testimg.Need(t, "mkfs.xfs", "mke2fs")
	xfs := shell(t, "x", "truncate -s 320M x; truncate -s 70M l; mkfs.xfs -q -l logdev=l,size=64m x")
	log := filepath.Join(filepath.Dir(xfs), "l")
	if _, err := open(t, xfs).MountAuto(); err == nil || !strings.Contains(err.Error(), "logdev=DEVICE") {
		t.Errorf("xfs without its log: %v", err)
	}
	f := mount(t, xfs, unboot.AddDisk(log), unboot.Writable())
	if err := f.WriteFile("x", []byte("1"), 0o644); err != nil {
		t.Error(err)
	}

	testimg.NeedRoot(t)
	testimg.Need(t, "losetup")
	ext := shell(t, "e", "truncate -s 16M e j; mke2fs -q -F -b 4096 -O journal_dev j\n"+
		"L=$(losetup -f --show j); trap 'losetup -d $L' EXIT; mke2fs -q -F -t ext4 -b 4096 -J device=$L e")
	if _, err := open(t, ext).MountAuto(); err == nil || !strings.Contains(err.Error(), "journal_path=DEVICE") {
		t.Errorf("ext4 without its journal: %v", err)
	}
	f = mount(t, ext, unboot.AddDisk(filepath.Join(filepath.Dir(ext), "j")), unboot.Writable())
	if err := f.WriteFile("x", []byte("1"), 0o644); err != nil {
		t.Error(err)
	}
}

// The superblock of an XFS that is left in front of an ext4 does not keep that from being
// read. Which of the two to write to remains in doubt.
func TestTwoSignatures(t *testing.T) {
	testimg.Need(t, "mkfs.xfs")
	ext := extWith(t, 32<<20, "in", "ext\n")
	path := shell(t, "i", "truncate -s 320M x; mkfs.xfs -q x; cp "+ext+" i; dd if=x of=i bs=512 count=1 conv=notrunc status=none")
	f := mount(t, path)
	wantFile(t, f, "in", "ext\n")
	if got := f.Mounts()[0].Type; got != "ext4" {
		t.Errorf("mounted as %s", got)
	}
	if f, err := open(t, path, unboot.Writable()).MountAuto(); err == nil {
		t.Errorf("for writing: mounted as %s", f.Mounts()[0].Type)
	}
}

// Content without a driver is not a file system beside which another could be meant.
func TestNoDriver(t *testing.T) {
	ext := extWith(t, 16<<20, "in", "ext\n")
	reiser4 := "ReIsEr4" + strings.Repeat("\x00", 11) + "\x00\x10"
	path := shell(t, "i", "truncate -s 64M i; printf 'size=20M\\nsize=20M\\n' | sfdisk -q i\n"+
		"dd if="+ext+" of=i bs=1M seek=1 conv=notrunc status=none")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(reiser4), 21<<20+64<<10)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	img := open(t, path)
	d, err := img.Device("sda2")
	if err != nil || d.Content == nil || d.Content.Type != "reiser4" || img.Hint(d) == "" {
		t.Errorf("%+v, %v", d, err)
	}
	fsys, err := img.MountAuto()
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, fsys, "in", "ext\n")
	if _, err := img.Mount("sda2"); err == nil || !strings.Contains(err.Error(), "reiser4") {
		t.Errorf("%v", err)
	}
}

// A type whose driver was left out of the kernel is named.
func TestFaultyDriver(t *testing.T) {
	vxfs := make([]byte, 1<<20)
	binary.LittleEndian.PutUint32(vxfs[1024:], 0xa501fcf5)
	binary.LittleEndian.PutUint32(vxfs[1024+32:], 1024)
	path := filepath.Join(t.TempDir(), "i")
	if err := os.WriteFile(path, vxfs, 0o644); err != nil {
		t.Fatal(err)
	}
	img := open(t, path)
	d := img.Devices()[0]
	if d.Content == nil || d.Content.Type != "vxfs" || img.Hint(d) == "" {
		t.Errorf("%+v, %q", d.Content, img.Hint(d))
	}
	if f, err := img.MountAuto(); !errors.Is(err, unboot.ErrNoFileSystem) {
		t.Errorf("%v, %v", f, err)
	}
}

// A table that only the kernel reads has a name.
func TestForeignTable(t *testing.T) {
	testimg.Need(t, "parted")
	path := shell(t, "i", "truncate -s 16M i; parted -s i mklabel mac mkpart x 1MiB 8MiB")
	img := open(t, path)
	if d := img.Disks()[0]; d.Table != "mac" {
		t.Errorf("%+v", d)
	}
	if n := len(img.Devices()); n < 2 {
		t.Errorf("%d devices", n)
	}
}

// Types that no other test has an image of are found and mounted: a floppy of an Amiga, and
// SCO's boot file system.
func TestOldTypes(t *testing.T) {
	affs := make([]byte, 880<<10)
	root := affs[440<<10:][:512]
	be := binary.BigEndian
	copy(affs, "DOS\x01")
	be.PutUint32(root, 2)
	be.PutUint32(root[12:], 72)
	be.PutUint32(root[312:], 0xffffffff) // its bitmap is valid,
	be.PutUint32(root[316:], 881)        // and is there
	copy(root[432:], "\x09Workbench")
	be.PutUint32(root[508:], 1)
	var sum uint32
	for i := 0; i < 512; i += 4 {
		sum += be.Uint32(root[i:])
	}
	be.PutUint32(root[20:], -sum)
	path := filepath.Join(t.TempDir(), "a.adf")
	if err := os.WriteFile(path, affs, 0o644); err != nil {
		t.Fatal(err)
	}
	f := mount(t, path)
	if list, err := f.ReadDir("."); err != nil || len(list) != 0 || f.Mounts()[0].Type != "affs" {
		t.Errorf("%v, %v, %+v", list, err, f.Mounts())
	}

	// Writing to them is not tested.
	f = mount(t, path, unboot.Writable())
	if err := f.WriteFile("x", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("written to an affs: %v", err)
	}

	testimg.Need(t, "mkfs.bfs")
	f = mount(t, shell(t, "i", "truncate -s 1M i; mkfs.bfs i"))
	if list, err := f.ReadDir("."); err != nil || len(list) != 0 || f.Mounts()[0].Type != "bfs" {
		t.Errorf("%v, %v, %+v", list, err, f.Mounts())
	}
}
