package server

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

func subvolumes(t *testing.T, c *protocol.Client, fs string) string {
	t.Helper()
	var v []rpc.Btrfssubvolume
	err := invoke(c, rpc.ProcBtrfsSubvolumeList, &rpc.BtrfsSubvolumeListArgs{Fs: fs}, func(x *xdr.Codec) {
		v = make([]rpc.Btrfssubvolume, x.Count(len(v), 4))
		for i := range v {
			v[i].Code(x)
		}
	})
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(v)
}

func groups(t *testing.T, c *protocol.Client, path string) map[string]rpc.Btrfsqgroup {
	t.Helper()
	var v []rpc.Btrfsqgroup
	err := invoke(c, rpc.ProcBtrfsQgroupShow, &rpc.BtrfsQgroupShowArgs{Path: path}, func(x *xdr.Codec) {
		v = make([]rpc.Btrfsqgroup, x.Count(len(v), 4))
		for i := range v {
			v[i].Code(x)
		}
	})
	if err != nil {
		t.Error(err)
	}
	m := map[string]rpc.Btrfsqgroup{}
	for _, g := range v {
		m[g.BtrfsqgroupId] = g
	}
	return m
}

// hostDump is what the host's btrfs says of an image.
func hostDump(t *testing.T, image, tree string) string {
	t.Helper()
	out, err := exec.Command("btrfs", "inspect-internal", "dump-tree", "-t", tree, image).CombinedOutput()
	if err != nil {
		t.Errorf("dump-tree: %v\n%s", err, out)
	}
	return string(out)
}

func TestBtrfsSubvolumes(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.btrfs", "btrfs")
	disk := image(t, 128)
	c := connect(t, Drive{Path: disk}, Drive{Path: image(t, 8)})
	wantOK(t, c, rpc.ProcMkfsBtrfs, &rpc.MkfsBtrfsArgs{
		Devices: []string{"/dev/sda"}, Label: rpc.Some("vols"), Nodesize: rpc.Some(16384), Sectorsize: rpc.Some(4096),
		Metadata: rpc.Some("single"), Datatype: rpc.Some("single"), Bytecount: rpc.Some(int64(128 << 20)), Allocstart: rpc.Some(int64(0)),
	})
	wantError(t, c, rpc.ProcMkfsBtrfs, &rpc.MkfsBtrfsArgs{Devices: []string{"/dev/sda"}, Metadata: rpc.Some("x")}, "metadata not one of the allowed values")
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcBtrfsQuotaEnable, &rpc.BtrfsQuotaEnableArgs{Fs: "/", Enable: true})
	wantOK(t, c, rpc.ProcBtrfsQgroupCreate, &rpc.BtrfsQgroupCreateArgs{Qgroupid: "1/7", Subvolume: "/"})
	wantOK(t, c, rpc.ProcBtrfsSubvolumeCreate, &rpc.BtrfsSubvolumeCreateArgs{Dest: "/one"})
	wantOK(t, c, rpc.ProcBtrfsSubvolumeCreate, &rpc.BtrfsSubvolumeCreateArgs{Dest: "/one/two/", Qgroupid: rpc.Some("1/7")})
	wantError(t, c, rpc.ProcBtrfsSubvolumeCreate, &rpc.BtrfsSubvolumeCreateArgs{Dest: "/one"}, "/one: File exists")
	wantError(t, c, rpc.ProcBtrfsSubvolumeCreate, &rpc.BtrfsSubvolumeCreateArgs{Dest: "/x", Qgroupid: rpc.Some("a/b")}, "/x: invalid qgroupid or subvolume path: a/b")
	wantOK(t, c, rpc.ProcFillPattern, &rpc.FillPatternArgs{Path: "/one/two/file", Pattern: "some", Len: 1 << 20})
	wantOK(t, c, rpc.ProcBtrfsSubvolumeSnapshot, &rpc.BtrfsSubvolumeSnapshotArgs{Source: "/one/two", Dest: "/snap", Ro: rpc.Some(true)})
	wantOK(t, c, rpc.ProcMkdir, &rpc.MkdirArgs{Path: "/dir"})
	wantOK(t, c, rpc.ProcBtrfsSubvolumeSnapshot, &rpc.BtrfsSubvolumeSnapshotArgs{Source: "/one/two", Dest: "/dir"})
	wantOK(t, c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/dir/two/new"})
	if err := invoke(c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/snap/new"}, nil); !errors.Is(err, unix.EROFS) {
		t.Errorf("a read-only snapshot: %v", err)
	}
	want := "[{256 5 one} {257 256 one/two} {258 5 snap} {259 5 dir/two}]"
	if got := subvolumes(t, c, "/dir"); got != want {
		t.Errorf("subvolumes %s, want %s", got, want)
	}
	show := func(path, key string) string {
		return pair(t, c, rpc.ProcBtrfsSubvolumeShow, &rpc.BtrfsSubvolumeShowArgs{Subvolume: path}, key)
	}
	for key, want := range map[string]string{"Name": "two", "Subvolume ID": "257", "Parent ID": "256", "Flags": "", "path": "one/two", "Snapshot(s)": "snap,dir/two", "Parent UUID": ""} {
		if got := show("/one/two", key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if id := show("/one/two", "UUID"); len(id) != 36 || show("/snap", "Parent UUID") != id || show("/snap", "Flags") != "readonly" {
		t.Errorf("the snapshot of %s has for its parent %s, flags %s", id, show("/snap", "Parent UUID"), show("/snap", "Flags"))
	}
	if date := show("/one/two", "Creation time"); len(date) != 25 {
		t.Errorf("created at %q", date)
	}
	wantError(t, c, rpc.ProcBtrfsSubvolumeShow, &rpc.BtrfsSubvolumeShowArgs{Subvolume: "/dir"}, "/dir: not a subvolume")

	// Quotas.
	wantOK(t, c, rpc.ProcBtrfsQgroupCreate, &rpc.BtrfsQgroupCreateArgs{Qgroupid: "1/8", Subvolume: "/"})
	wantOK(t, c, rpc.ProcBtrfsQgroupAssign, &rpc.BtrfsQgroupAssignArgs{Src: "0/256", Dst: "1/8", Path: "/"})
	wantOK(t, c, rpc.ProcBtrfsQuotaRescan, &rpc.BtrfsQuotaRescanArgs{Fs: "/"})
	if g := groups(t, c, "/"); len(g) < 6 || g["0/257"].BtrfsqgroupRfer < 1<<20 || g["1/7"].BtrfsqgroupRfer < 1<<20 || g["1/8"].BtrfsqgroupRfer == 0 {
		t.Errorf("groups %v", g)
	}
	wantOK(t, c, rpc.ProcBtrfsQgroupLimit, &rpc.BtrfsQgroupLimitArgs{Subvolume: "/one", Size: 1 << 20})
	if err := invoke(c, rpc.ProcFill, &rpc.FillArgs{Path: "/one/large", C: 1, Len: 3 << 20}, nil); !errors.Is(err, unix.EDQUOT) {
		t.Errorf("beyond the limit: %v", err)
	}
	wantOK(t, c, rpc.ProcBtrfsQgroupRemove, &rpc.BtrfsQgroupRemoveArgs{Src: "0/256", Dst: "1/8", Path: "/"})
	wantOK(t, c, rpc.ProcBtrfsQgroupDestroy, &rpc.BtrfsQgroupDestroyArgs{Qgroupid: "1/8", Subvolume: "/"})
	if _, ok := groups(t, c, "/")["1/8"]; ok {
		t.Error("the group is still there")
	}
	wantOK(t, c, rpc.ProcBtrfsQuotaEnable, &rpc.BtrfsQuotaEnableArgs{Fs: "/", Enable: false})
	wantError(t, c, rpc.ProcBtrfsQgroupShow, &rpc.BtrfsQgroupShowArgs{Path: "/"}, "/: can't list qgroups: quotas not enabled")

	wantNumber(t, c, rpc.ProcBtrfsSubvolumeGetDefault, &rpc.BtrfsSubvolumeGetDefaultArgs{Fs: "/"}, 5)
	wantOK(t, c, rpc.ProcBtrfsSubvolumeSetDefault, &rpc.BtrfsSubvolumeSetDefaultArgs{Id: 259, Fs: "/"})
	wantNumber(t, c, rpc.ProcBtrfsSubvolumeGetDefault, &rpc.BtrfsSubvolumeGetDefaultArgs{Fs: "/"}, 259)
	wantOK(t, c, rpc.ProcBtrfsFilesystemSync, &rpc.BtrfsFilesystemSyncArgs{Fs: "/"})
	wantOK(t, c, rpc.ProcBtrfsFilesystemDefragment, &rpc.BtrfsFilesystemDefragmentArgs{Path: "/one/two/file", Flush: rpc.Some(true), Compress: rpc.Some("lzo")})
	wantError(t, c, rpc.ProcBtrfsFilesystemDefragment, &rpc.BtrfsFilesystemDefragmentArgs{Path: "/one", Compress: rpc.Some("zip")}, "unknown compress method: zip")
	wantOK(t, c, rpc.ProcBtrfsSubvolumeDelete, &rpc.BtrfsSubvolumeDeleteArgs{Subvolume: "/snap"})
	if err := invoke(c, rpc.ProcBtrfsSubvolumeDelete, &rpc.BtrfsSubvolumeDeleteArgs{Subvolume: "/one"}, nil); !errors.Is(err, unix.ENOTEMPTY) {
		t.Errorf("a subvolume with one in it: %v", err)
	}
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})

	// By the name of a device.
	if got, want := subvolumes(t, c, "/dev/sda"), "[{256 5 one} {257 256 one/two} {259 5 dir/two}]"; got != want {
		t.Errorf("subvolumes %s, want %s", got, want)
	}
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantNumber(t, c, rpc.ProcExists, &rpc.ExistsArgs{Path: "/new"}, 1)
	wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	check(t, "btrfs", disk)
	if dump := hostDump(t, disk, "257"); !strings.Contains(dump, "compression 2 (lzo)") {
		t.Error("the file is not compressed")
	}
	least, err := number(c, rpc.ProcVfsMinimumSize, &rpc.VfsMinimumSizeArgs{Mountable: "/dev/sda"})
	if err != nil || least < 16<<20 || least > 128<<20 {
		t.Errorf("minimum size %d, %v", least, err)
	}
	wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: "/dev/sdb"})
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sdb", Mountpoint: "/"})
	wantError(t, c, rpc.ProcBtrfsSubvolumeList, &rpc.BtrfsSubvolumeListArgs{Fs: "/"}, "/: not a btrfs filesystem")
	wantError(t, c, rpc.ProcBtrfsSubvolumeCreate, &rpc.BtrfsSubvolumeCreateArgs{Dest: "/x"}, "/x: not on a btrfs filesystem")
}

// TestBtrfsDevices makes a file system of several devices and changes which.
func TestBtrfsDevices(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.btrfs", "btrfs")
	var drives []Drive
	for range 4 {
		drives = append(drives, Drive{Path: image(t, 256)})
	}
	c := connect(t, drives...)
	show := func(device string, want ...string) {
		t.Helper()
		var got []string
		err := invoke(c, rpc.ProcBtrfsFilesystemShow, &rpc.BtrfsFilesystemShowArgs{Device: device}, func(x *xdr.Codec) { x.Strings(&got) })
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("devices of %s: %s, %v, want %s", device, got, err, want)
		}
	}
	wantOK(t, c, rpc.ProcMkfsBtrfs, &rpc.MkfsBtrfsArgs{Devices: []string{"/dev/sda", "/dev/sdb"}, Metadata: rpc.Some("raid1"), Datatype: rpc.Some("raid1")})
	show("/dev/sdb", "/dev/sda", "/dev/sdb")
	writeFile(t, c, "", "/dev/sdb")
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcBtrfsDeviceAdd, &rpc.BtrfsDeviceAddArgs{Devices: []string{"/dev/sdc"}, Fs: "/"})
	wantOK(t, c, rpc.ProcBtrfsFilesystemBalance, &rpc.BtrfsFilesystemBalanceArgs{Fs: "/"})
	show("/dev/sda", "/dev/sda", "/dev/sdb", "/dev/sdc")
	wantOK(t, c, rpc.ProcBtrfsDeviceDelete, &rpc.BtrfsDeviceDeleteArgs{Devices: []string{"/dev/sda"}, Fs: "/"})
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda"}, "")
	show("/dev/sdb", "/dev/sdb", "/dev/sdc")
	wantError(t, c, rpc.ProcBtrfsDeviceDelete, &rpc.BtrfsDeviceDeleteArgs{Devices: []string{"/dev/sda"}, Fs: "/"}, "/: /dev/sda: .*")
	wantOK(t, c, rpc.ProcBtrfsReplace, &rpc.BtrfsReplaceArgs{Srcdev: "/dev/sdc", Targetdev: "/dev/sdd", Mntpoint: "/"})
	show("/dev/sdb", "/dev/sdb", "/dev/sdd")
	wantOK(t, c, rpc.ProcBtrfsScrubFull, &rpc.BtrfsScrubFullArgs{Path: "/", Readonly: rpc.Some(true)})
	wantOK(t, c, rpc.ProcBtrfsScrubStart, &rpc.BtrfsScrubStartArgs{Path: "/"})
	var scrubbed rpc.Btrfsscrub
	if err := invoke(c, rpc.ProcBtrfsScrubStatus, &rpc.BtrfsScrubStatusArgs{Path: "/"}, scrubbed.Code); err != nil || scrubbed.BtrfsscrubDataBytesScrubbed < 2*80000 || scrubbed.BtrfsscrubReadErrors != 0 {
		t.Errorf("scrubbed %+v, %v", scrubbed, err)
	}
	wantError(t, c, rpc.ProcBtrfsScrubCancel, &rpc.BtrfsScrubCancelArgs{Path: "/"}, "/: scrub cancel failed on /: not running")
	wantError(t, c, rpc.ProcBtrfsScrubResume, &rpc.BtrfsScrubResumeArgs{Path: "/"}, "/: scrub: nothing to resume")
	var balance rpc.Btrfsbalance
	if err := invoke(c, rpc.ProcBtrfsBalanceStatus, &rpc.BtrfsBalanceStatusArgs{Path: "/"}, balance.Code); err != nil || balance.BtrfsbalanceStatus != "none" {
		t.Errorf("balance %+v, %v", balance, err)
	}
	wantError(t, c, rpc.ProcBtrfsBalancePause, &rpc.BtrfsBalancePauseArgs{Path: "/"}, ".*Not running")
	wantError(t, c, rpc.ProcBtrfsBalanceCancel, &rpc.BtrfsBalanceCancelArgs{Path: "/"}, ".*Not running")
	wantError(t, c, rpc.ProcBtrfsBalanceResume, &rpc.BtrfsBalanceResumeArgs{Path: "/"}, "/: balance: not in progress")
	wantOK(t, c, rpc.ProcBtrfsFilesystemResize, &rpc.BtrfsFilesystemResizeArgs{Mountpoint: "/"})
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantError(t, c, rpc.ProcBtrfsFsck, &rpc.BtrfsFsckArgs{Device: "/dev/sdb"}, "/dev/sdb: not available in unboot for a filesystem of 2 devices")
	wantOK(t, c, rpc.ProcZeroDevice, &rpc.ZeroDeviceArgs{Device: "/dev/sdd"})
	err := invoke(c, rpc.ProcBtrfsFilesystemShow, &rpc.BtrfsFilesystemShowArgs{Device: "/dev/sdb"}, nil)
	if !errors.Is(err, unix.ENODEV) {
		t.Errorf("a device is missing: %v", err)
	}
}

// TestBtrfsTools has what needs a device that is not mounted.
func TestBtrfsTools(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.btrfs", "btrfs", "btrfstune", "btrfs-image", "mkfs.ext4")
	disk, other := image(t, 400), image(t, 32)
	testimg.MustRun(t, "mkfs.btrfs", "-q", "-b", "160M", "-O", "^extref,^skinny-metadata,^no-holes", disk)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", other)
	c := connect(t, Drive{Path: disk}, Drive{Path: other})
	const dev = "/dev/sda"
	writeFile(t, c, "", dev)
	wantOK(t, c, rpc.ProcBtrfsFsck, &rpc.BtrfsFsckArgs{Device: dev})
	wantOK(t, c, rpc.ProcBtrfsFsck, &rpc.BtrfsFsckArgs{Device: dev, Superblock: rpc.Some(int64(1)), Repair: rpc.Some(true)})
	wantOK(t, c, rpc.ProcBtrfstuneEnableExtendedInodeRefs, &rpc.BtrfstuneEnableExtendedInodeRefsArgs{Device: dev})
	wantOK(t, c, rpc.ProcBtrfstuneEnableSkinnyMetadataExtentRefs, &rpc.BtrfstuneEnableSkinnyMetadataExtentRefsArgs{Device: dev})
	out, err := exec.Command("btrfs", "inspect-internal", "dump-super", disk).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "EXTENDED_IREF") || !strings.Contains(string(out), "SKINNY_METADATA") {
		t.Errorf("features are not on: %v\n%s", err, out)
	}
	wantOK(t, c, rpc.ProcBtrfsSetSeeding, &rpc.BtrfsSetSeedingArgs{Device: dev, Seeding: true})
	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: dev, Mountpoint: "/"})
	if err := invoke(c, rpc.ProcTouch, &rpc.TouchArgs{Path: "/x"}, nil); !errors.Is(err, unix.EROFS) {
		t.Errorf("a seed can be written to: %v", err)
	}
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantOK(t, c, rpc.ProcBtrfstuneSeeding, &rpc.BtrfstuneSeedingArgs{Device: dev, Seeding: false})
	wantOK(t, c, rpc.ProcBtrfsRescueSuperRecover, &rpc.BtrfsRescueSuperRecoverArgs{Device: dev})
	wantOK(t, c, rpc.ProcBtrfsRescueChunkRecover, &rpc.BtrfsRescueChunkRecoverArgs{Device: dev})
	check(t, "btrfs", disk)

	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: dev, Mountpoint: "/"})
	wantOK(t, c, rpc.ProcBtrfsFilesystemResize, &rpc.BtrfsFilesystemResizeArgs{Mountpoint: "/"})
	super := func() string {
		t.Helper()
		out, _ := exec.Command("btrfs", "inspect-internal", "dump-super", disk).Output()
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) == 2 && f[0] == "total_bytes" {
				return f[1]
			}
		}
		return ""
	}
	wantOK(t, c, rpc.ProcSync, &rpc.None{})
	if got := super(); got != fmt.Sprint(400<<20) {
		t.Errorf("%s bytes", got)
	}
	wantOK(t, c, rpc.ProcBtrfsFilesystemResize, &rpc.BtrfsFilesystemResizeArgs{Mountpoint: "/", Size: rpc.Some(int64(300 << 20))})
	wantOK(t, c, rpc.ProcSync, &rpc.None{})
	if got := super(); got != fmt.Sprint(300<<20) {
		t.Errorf("%s bytes", got)
	}
	wantError(t, c, rpc.ProcBtrfsFilesystemResize, &rpc.BtrfsFilesystemResizeArgs{Mountpoint: "/", Size: rpc.Some(int64(1 << 40))}, "/: File too large")
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sdb", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcBtrfsImage, &rpc.BtrfsImageArgs{Source: []string{dev}, Image: "/image", Compresslevel: rpc.Some(3)})
	wantError(t, c, rpc.ProcBtrfsImage, &rpc.BtrfsImageArgs{Source: []string{dev}, Image: "/image", Compresslevel: rpc.Some(10)}, "compresslevel must be between 0 and 9")
	var size int64
	if err := invoke(c, rpc.ProcFilesize, &rpc.FilesizeArgs{File: "/image"}, func(x *xdr.Codec) { x.Int64(&size) }); err != nil || size < 4096 {
		t.Errorf("the image has %d bytes, %v", size, err)
	}
	wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	check(t, "btrfs", disk)
}
