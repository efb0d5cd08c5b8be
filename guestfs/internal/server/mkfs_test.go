package server

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

// checkers are the programs that say whether a file system is sound. They are given the
// image as their last argument.
var checkers = map[string][]string{
	"ext2": {"e2fsck", "-fn"}, "ext3": {"e2fsck", "-fn"}, "ext4": {"e2fsck", "-fn"},
	"xfs":   {"xfs_repair", "-n", "-f"},
	"btrfs": {"btrfs", "check"},
	"vfat":  {"fsck.vfat", "-n"}, "msdos": {"fsck.vfat", "-n"},
	"ntfs":     {"ntfsfix", "-n"},
	"exfat":    {"fsck.exfat", "-n"},
	"f2fs":     {"fsck.f2fs", "--dry-run"},
	"jfs":      {"jfs_fsck", "-n", "-f"},
	"reiserfs": {"reiserfsck", "--check", "-q", "-y"},
	"minix":    {"fsck.minix", "-f"},
	"nilfs2":   nil, // has none
}

// check has a program of the host say whether a file system is sound.
func check(t *testing.T, fstype, image string) {
	t.Helper()
	command := checkers[fstype]
	if len(command) == 0 {
		return
	}
	out, err := exec.Command(command[0], append(slices.Clone(command[1:]), image)...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, out)
	}
}

// blkidTag is what the host's blkid says of an image.
func blkidTag(t *testing.T, image, tag string) string {
	t.Helper()
	testimg.Need(t, "blkid")
	out, err := exec.Command("blkid", "-c", "/dev/null", "-p", "-o", "value", "-s", tag, image).CombinedOutput()
	if err != nil {
		t.Errorf("blkid: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// writeFile mounts a device, writes a file, and unmounts.
func writeFile(t *testing.T, c *protocol.Client, fstype, device string) {
	t.Helper()
	wantOK(t, c, rpc.ProcMountVfs, &rpc.MountVfsArgs{Vfstype: fstype, Mountable: device, Mountpoint: "/"})
	wantOK(t, c, rpc.ProcFillPattern, &rpc.FillPatternArgs{Path: "/file.txt", Pattern: "content\n", Len: 80000})
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: device, Mountpoint: "/"})
	var size int64
	if err := invoke(c, rpc.ProcFilesize, &rpc.FilesizeArgs{File: "/file.txt"}, func(x *xdr.Codec) { x.Int64(&size) }); err != nil || size != 80000 {
		t.Errorf("the file has %d bytes, %v", size, err)
	}
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
}

// TestMkfs makes a file system of each type on a disk that has something of another, and
// has its own checker look at it after a file was written.
func TestMkfs(t *testing.T) {
	needKernel(t)
	for fstype, o := range map[string]struct {
		size  int64 // MiB
		label bool
		args  rpc.MkfsArgs
	}{
		"ext2": {16, true, rpc.MkfsArgs{Blocksize: rpc.Some(1024), Inode: rpc.Some(128)}},
		"ext3": {16, true, rpc.MkfsArgs{Blocksize: rpc.Some(4096), Features: rpc.Some("^resize_inode")}},
		"ext4": {64, true, rpc.MkfsArgs{Inode: rpc.Some(512)}},
		"xfs":  {320, true, rpc.MkfsArgs{Blocksize: rpc.Some(1024)}}, "btrfs": {128, true, rpc.MkfsArgs{}},
		"vfat": {64, true, rpc.MkfsArgs{Blocksize: rpc.Some(2048)}}, "msdos": {16, true, rpc.MkfsArgs{}},
		"ntfs": {16, true, rpc.MkfsArgs{Blocksize: rpc.Some(8192)}}, "exfat": {16, true, rpc.MkfsArgs{}},
		"f2fs": {64, true, rpc.MkfsArgs{}}, "jfs": {32, true, rpc.MkfsArgs{}}, "nilfs2": {160, true, rpc.MkfsArgs{}},
		"reiserfs": {64, true, rpc.MkfsArgs{}}, "minix": {16, false, rpc.MkfsArgs{}},
	} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()
			tools := []string{"mkfs." + fstype, "mkfs.ext4"}
			if command := checkers[fstype]; command != nil {
				tools = append(tools, command[0])
			}
			testimg.Need(t, tools...)
			disk := image(t, o.size)
			testimg.MustRun(t, "mkfs.ext4", "-q", "-F", disk)
			c := connect(t, Drive{Path: disk})
			o.args.Fstype, o.args.Device = fstype, "/dev/sda"
			if o.label {
				o.args.Label = rpc.Some("LABEL1")
			}
			wantOK(t, c, rpc.ProcMkfs, &o.args)
			wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda"}, blkidTag(t, disk, "TYPE"))
			if o.label {
				wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: "/dev/sda"}, "LABEL1")
			}
			writeFile(t, c, fstype, "/dev/sda")
			wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
			check(t, fstype, disk)
			if got := blkidTag(t, disk, "LABEL"); o.label && got != "LABEL1" {
				t.Errorf("label %q", got)
			}
		})
	}
}

// TestMkfsErrors has what cannot be made, and that what was there stays then.
func TestMkfsErrors(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext4", "mkfs.xfs", "e2fsck")
	disk := image(t, 16)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", disk)
	c := connect(t, Drive{Path: disk})
	for want, a := range map[string]rpc.MkfsArgs{
		"../sh: not a type of file system":                                                       {Fstype: "../sh"},
		"nosuchfs: /dev/sda: not available in unboot: there is no program .* on this host":       {Fstype: "nosuchfs"},
		"block size must be > 0 and a power of 2":                                                {Fstype: "ext4", Blocksize: rpc.Some(1000)},
		"inode size .-I. can only be set on ext2/3/4 filesystems":                                {Fstype: "jfs", Inode: rpc.Some(256)},
		"xfs: the option features is not one of file systems of this type":                       {Fstype: "xfs", Features: rpc.Some("x")},
		"inode size must be larger than zero":                                                    {Fstype: "ext4", Inode: rpc.Some(0)},
		"(?s)xfs: /dev/sda: mkfs.xfs: .*":                                                        {Fstype: "xfs"},
		"(?s)ext4: /dev/sda: mkfs.ext4: Invalid filesystem option set: no_such.*":                {Fstype: "ext4", Features: rpc.Some("no_such")},
		"don't know how to set the label for 'minix' filesystems":                                {Fstype: "minix", Label: rpc.Some("x")},
		"vfat: block size 256 is less than a sector of 512 bytes|block size 256 is less .*512.*": {Fstype: "vfat", Blocksize: rpc.Some(256)},
	} {
		a.Device = "/dev/sda"
		wantError(t, c, rpc.ProcMkfs, &a, want)
	}
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantError(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: "/dev/sda"}, "ext4: /dev/sda: open: /dev/sda: Device or resource busy")
	wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	check(t, "ext4", disk)
}

// TestMkfsSectors makes file systems on disks of 4 KiB sectors, on a partition, by what
// its place on the disk is told to those who want to know.
func TestMkfsSectors(t *testing.T) {
	needKernel(t)
	for fstype, size := range map[string]int64{"ext4": 16, "xfs": 320, "vfat": 300, "ntfs": 16, "f2fs": 64, "btrfs": 128} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()
			testimg.Need(t, "mkfs."+fstype, checkers[fstype][0])
			disk := image(t, size+2)
			c := connect(t, Drive{Path: disk, LogicalBlock: 4096, PhysicalBlock: 4096})
			wantOK(t, c, rpc.ProcPartInit, &rpc.PartInitArgs{Device: "/dev/sda", Parttype: "gpt"})
			wantOK(t, c, rpc.ProcPartAdd, &rpc.PartAddArgs{Device: "/dev/sda", Prlogex: "p", Startsect: 256, Endsect: (size+1)<<8 - 1})
			wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: fstype, Device: "/dev/sda1"})
			writeFile(t, c, "", "/dev/sda1")
			wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
			check(t, fstype, testimg.Extract(t, disk, 1<<20, size<<20))
		})
	}
	c := connect(t, Drive{Path: image(t, 16), LogicalBlock: 4096, PhysicalBlock: 4096})
	wantError(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "exfat", Device: "/dev/sda"}, "exfat: not available in unboot on a disk with sectors of 4096 bytes")
}
