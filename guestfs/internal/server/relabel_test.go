package server

import (
	"slices"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

// TestRelabel compares labels and UUIDs with what the host's blkid says, and has the
// checkers look at what has become of the file systems.
func TestRelabel(t *testing.T) {
	needKernel(t)
	const id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	for fstype, o := range map[string]struct {
		size int64
		uuid string // that is set; "" if it cannot
		make []string
	}{
		"ext4":  {16, id, []string{"mkfs.ext4", "-q", "-F", "-O", "^metadata_csum_seed"}},
		"ext2":  {8, id, []string{"mkfs.ext2", "-q", "-F"}},
		"xfs":   {320, id, []string{"mkfs.xfs", "-q"}},
		"btrfs": {128, id, []string{"mkfs.btrfs", "-q"}},
		"ntfs":  {16, "1122334455667788", []string{"mkfs.ntfs", "-q", "-Q", "-F"}},
		"swap":  {8, id, []string{"mkswap", "-q"}},
		"vfat":  {40, "", []string{"mkfs.vfat"}},
	} {
		t.Run(fstype, func(t *testing.T) {
			t.Parallel()
			testimg.Need(t, o.make[0], "blkid")
			disk := image(t, o.size)
			testimg.MustRun(t, o.make[0], append(o.make[1:], disk)...)
			c := connect(t, Drive{Path: disk})
			const dev = "/dev/sda"
			set := func(uuid string) {
				wantOK(t, c, rpc.ProcSetUuid, &rpc.SetUuidArgs{Device: dev, Uuid: uuid})
			}
			wantOK(t, c, rpc.ProcSetLabel, &rpc.SetLabelArgs{Mountable: dev, Label: "NEWLABEL"})
			if got := blkidTag(t, disk, "LABEL"); got != "NEWLABEL" {
				t.Errorf("label %q", got)
			}
			wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: dev}, "NEWLABEL")
			if o.uuid == "" {
				wantError(t, c, rpc.ProcSetUuid, &rpc.SetUuidArgs{Device: dev, Uuid: id}, "don't know how to set the UUID for 'vfat' filesystems")
			} else {
				set(o.uuid)
				if got := blkidTag(t, disk, "UUID"); got != o.uuid {
					t.Errorf("UUID %s, want %s", got, o.uuid)
				}
				wantText(t, c, rpc.ProcVfsUuid, &rpc.VfsUuidArgs{Mountable: dev}, o.uuid)
				wantOK(t, c, rpc.ProcSetUuidRandom, &rpc.SetUuidRandomArgs{Device: dev})
				if got := blkidTag(t, disk, "UUID"); got == o.uuid || len(got) != len(o.uuid) {
					t.Errorf("a random UUID is %s", got)
				}
			}
			check(t, fstype, disk)
			if fstype != "swap" {
				writeFile(t, c, "", dev)
				wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
				check(t, fstype, disk)
			}
		})
	}
}

// TestRelabelMounted: of what is mounted the kernel sets the label and the UUID.
func TestRelabelMounted(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mke2fs", "blkid", "e2fsck")
	const id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	for _, fstype := range []string{"ext2", "ext4"} {
		disk := image(t, 16)
		testimg.MustRun(t, "mke2fs", "-q", "-F", "-t", fstype, "-O", "^metadata_csum,^uninit_bg", disk)
		c := connect(t, Drive{Path: disk})
		const dev = "/dev/sda"
		wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: dev, Mountpoint: "/"})
		wantOK(t, c, rpc.ProcSetLabel, &rpc.SetLabelArgs{Mountable: dev, Label: "MOUNTED"})
		wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: dev}, "MOUNTED")
		wantOK(t, c, rpc.ProcSetE2uuid, &rpc.SetE2uuidArgs{Device: dev, Uuid: id})
		wantText(t, c, rpc.ProcGetE2uuid, &rpc.GetE2uuidArgs{Device: dev}, id)
		wantError(t, c, rpc.ProcSetUuid, &rpc.SetUuidArgs{Device: dev, Uuid: "foo"}, `/dev/sda: "foo" is not a UUID`)
		wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
		if label, uuid := blkidTag(t, disk, "LABEL"), blkidTag(t, disk, "UUID"); label != "MOUNTED" || uuid != id {
			t.Errorf("%s: label %q, UUID %s", fstype, label, uuid)
		}
		check(t, fstype, disk)
	}
}

func TestE2label(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext3", "blkid", "e2fsck")
	disk := image(t, 16)
	testimg.MustRun(t, "mkfs.ext3", "-q", "-F", disk)
	c := connect(t, Drive{Path: disk}, Drive{Path: image(t, 8)})
	wantOK(t, c, rpc.ProcSetE2label, &rpc.SetE2labelArgs{Device: "/dev/sda", Label: "sixteen bytes ok"})
	wantText(t, c, rpc.ProcGetE2label, &rpc.GetE2labelArgs{Device: "/dev/sda"}, "sixteen bytes ok")
	wantError(t, c, rpc.ProcSetE2label, &rpc.SetE2labelArgs{Device: "/dev/sda", Label: "seventeen bytes !"}, ".*: ext3 labels are limited to 16 bytes")
	wantError(t, c, rpc.ProcSetE2label, &rpc.SetE2labelArgs{Device: "/dev/sdb", Label: "x"}, "/dev/sdb: not an ext2, ext3 or ext4 filesystem")
	wantError(t, c, rpc.ProcSetLabel, &rpc.SetLabelArgs{Mountable: "/dev/sdb", Label: "x"}, "don't know how to set the label for '' filesystems")
	for _, uuid := range []string{"time", "random", "clear"} {
		before := blkidTag(t, disk, "UUID")
		wantOK(t, c, rpc.ProcSetE2uuid, &rpc.SetE2uuidArgs{Device: "/dev/sda", Uuid: uuid})
		if uuid == "clear" {
			wantText(t, c, rpc.ProcVfsUuid, &rpc.VfsUuidArgs{Mountable: "/dev/sda"}, "")
		} else if blkidTag(t, disk, "UUID") == before {
			t.Errorf("%s has changed nothing", uuid)
		}
	}
	wantError(t, c, rpc.ProcSetE2uuid, &rpc.SetE2uuidArgs{Device: "/dev/sda", Uuid: "foo"}, `/dev/sda: invalid UUID: "foo"`)
	check(t, "ext3", disk)
}

func TestMkswap(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "blkid", "mkfs.ext4")
	disk, fs := image(t, 8), image(t, 16)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", disk)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", fs)
	c := connect(t, Drive{Path: disk}, Drive{Path: fs})
	const id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	wantOK(t, c, rpc.ProcMkswap, &rpc.MkswapArgs{Device: "/dev/sda", Label: rpc.Some("swp"), Uuid: rpc.Some(id)})
	for tag, want := range map[string]string{"TYPE": "swap", "LABEL": "swp", "UUID": id} {
		if got := blkidTag(t, disk, tag); got != want {
			t.Errorf("%s is %q, want %q", tag, got, want)
		}
	}
	wantOK(t, c, rpc.ProcMkswapL, &rpc.MkswapLArgs{Device: "/dev/sda", Label: "other"})
	wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: "/dev/sda"}, "other")
	wantOK(t, c, rpc.ProcMkswapU, &rpc.MkswapUArgs{Device: "/dev/sda", Uuid: id})
	wantText(t, c, rpc.ProcVfsUuid, &rpc.VfsUuidArgs{Mountable: "/dev/sda"}, id)
	wantError(t, c, rpc.ProcMkswapU, &rpc.MkswapUArgs{Device: "/dev/sda", Uuid: "x"}, `/dev/sda: invalid UUID: "x"`)
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sdb", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcFallocate64, &rpc.Fallocate64Args{Path: "/swapfile", Len: 1 << 20})
	wantOK(t, c, rpc.ProcMkswapFile, &rpc.MkswapFileArgs{Path: "/swapfile"})
	var words []string
	if err := invoke(c, rpc.ProcStrings, &rpc.StringsArgs{Path: "/swapfile"}, func(x *xdr.Codec) { x.Strings(&words) }); err != nil || !slices.Contains(words, "SWAPSPACE2") {
		t.Errorf("a swap file has %q, %v", words, err)
	}
	wantError(t, c, rpc.ProcMkswapFile, &rpc.MkswapFileArgs{Path: "/nothing"}, "/nothing: No such file or directory")
	needPrograms(t, c)
	wantOK(t, c, rpc.ProcSwaponDevice, &rpc.SwaponDeviceArgs{Device: "/dev/sda"})
	wantOK(t, c, rpc.ProcSwapoffDevice, &rpc.SwapoffDeviceArgs{Device: "/dev/sda"})
}
