package server

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

func TestNtfs(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ntfs", "ntfsfix", "ntfsresize", "ntfsclone", "ntfscat", "ntfs-3g.probe")
	disk, copied := image(t, 64), image(t, 64)
	testimg.MustRun(t, "mkfs.ntfs", "-q", "-Q", "-F", "-L", "old", disk)
	c := connect(t, Drive{Path: disk}, Drive{Path: copied})
	const dev = "/dev/sda"
	writeFile(t, c, "ntfs", dev)
	wantNumber(t, c, rpc.ProcNtfs3gProbe, &rpc.Ntfs3gProbeArgs{Device: dev, Rw: true}, 0)
	wantNumber(t, c, rpc.ProcNtfs3gProbe, &rpc.Ntfs3gProbeArgs{Device: "/dev/sdb"}, 12)
	// Inode 7 is $Boot, which is what the device begins with.
	var boot bytes.Buffer
	cat := &rpc.NtfscatIArgs{Device: dev, Inode: 7}
	if err := c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcNtfscatI, Args: rpc.Encoder(cat), Out: &boot}); err != nil {
		t.Error(err)
	}
	want, err := os.ReadFile(disk)
	if err != nil || boot.Len() != 8192 || !bytes.Equal(boot.Bytes(), want[:8192]) {
		t.Errorf("$Boot has %d bytes, which are not those of the disk: %v", boot.Len(), err)
	}
	wantOK(t, c, rpc.ProcNtfsfix, &rpc.NtfsfixArgs{Device: dev})
	wantOK(t, c, rpc.ProcNtfsfix, &rpc.NtfsfixArgs{Device: dev, Clearbadsectors: rpc.Some(true)})
	least, err := number(c, rpc.ProcVfsMinimumSize, &rpc.VfsMinimumSizeArgs{Mountable: dev})
	if err != nil || least < 1<<20 || least > 40<<20 {
		t.Errorf("minimum size %d, %v", least, err)
	}
	// ntfsfix has it checked by Windows first, which force does without.
	wantError(t, c, rpc.ProcNtfsresize, &rpc.NtfsresizeArgs{Device: dev, Size: rpc.Some(int64(-1))}, "size is zero or negative")
	wantOK(t, c, rpc.ProcNtfsresize, &rpc.NtfsresizeArgs{Device: dev, Size: rpc.Some(int64(48 << 20)), Force: rpc.Some(true)})
	wantOK(t, c, rpc.ProcNtfsfix, &rpc.NtfsfixArgs{Device: dev})
	check(t, "ntfs", disk)
	wantOK(t, c, rpc.ProcNtfsresize, &rpc.NtfsresizeArgs{Device: dev, Force: rpc.Some(true)})
	wantError(t, c, rpc.ProcNtfsresizeSize, &rpc.NtfsresizeSizeArgs{Device: dev, Size: 1 << 40}, "(?s)/dev/sda: ntfsresize: .*")

	var saved bytes.Buffer
	a := &rpc.NtfscloneOutArgs{Device: dev, Force: rpc.Some(true), Preservetimestamps: rpc.Some(true)}
	err = c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcNtfscloneOut, OptArgs: rpc.Given(a), Args: rpc.Encoder(a), Out: &saved})
	if err != nil || !bytes.HasPrefix(saved.Bytes(), []byte("\x00ntfsclone-image")) {
		t.Fatalf("ntfsclone_out: %v, %d bytes", err, saved.Len())
	}
	in := &rpc.NtfscloneInArgs{Device: "/dev/sdb"}
	if err := c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcNtfscloneIn, Args: rpc.Encoder(in), In: &saved}); err != nil {
		t.Errorf("ntfsclone_in: %v", err)
	}
	wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: "/dev/sdb"}, "old")
	check(t, "ntfs", copied)
	err = c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcNtfscloneIn, Args: rpc.Encoder(in), In: bytes.NewReader(make([]byte, 100<<20))})
	if err == nil {
		t.Error("what is no image was restored")
	}
	wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: "/dev/sdb"}, "old")

	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: dev, Mountpoint: "/"})
	if err := c.Call(context.Background(), &protocol.Request{Proc: rpc.ProcNtfscatI, Args: rpc.Encoder(cat), Out: &boot}); err == nil {
		t.Error("ntfscat_i of what is mounted")
	}
}

func TestF2fsExpand(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.f2fs", "resize.f2fs", "fsck.f2fs")
	disk := image(t, 128)
	testimg.MustRun(t, "mkfs.f2fs", "-q", "-f", disk, "131072")
	c := connect(t, Drive{Path: disk})
	size := func() int64 {
		info := pair(t, c, rpc.ProcBlkid, &rpc.BlkidArgs{Device: "/dev/sda"}, "TYPE")
		if info != "f2fs" {
			t.Errorf("it is %s", info)
		}
		wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
		var v rpc.Statvfs
		if err := invoke(c, rpc.ProcStatvfs, &rpc.StatvfsArgs{Path: "/"}, v.Code); err != nil {
			t.Error(err)
		}
		wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
		return int64(v.Blocks * v.Frsize)
	}
	before := size()
	wantOK(t, c, rpc.ProcF2fsExpand, &rpc.F2fsExpandArgs{Device: "/dev/sda"})
	if after := size(); after < before+40<<20 {
		t.Errorf("%d bytes, before %d", after, before)
	}
	check(t, "f2fs", disk)
}

func TestWipefs(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext4", "wipefs", "sfdisk", "blkid")
	disk := image(t, 16)
	runSfdisk(t, disk, "label: gpt\n2048,4M\n")
	c := connect(t, Drive{Path: disk})
	wantOK(t, c, rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: "/dev/sda1"})
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda1"}, "ext4")
	wantOK(t, c, rpc.ProcWipefs, &rpc.WipefsArgs{Device: "/dev/sda1"})
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda1"}, "")
	wantOK(t, c, rpc.ProcWipefs, &rpc.WipefsArgs{Device: "/dev/sda"})
	if got := list(t, c, rpc.ProcListPartitions); len(got) != 0 {
		t.Errorf("partitions %s after wipefs", got)
	}
}
