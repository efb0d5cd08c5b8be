package server

import (
	"slices"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

func TestMountLoop(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext4", "mkfs.vfat", "e2fsck", "debugfs", "fsck.vfat")
	disk, inner := image(t, 64), image(t, 4)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", disk)
	testimg.MustRun(t, "mkfs.vfat", inner)
	c := connect(t, Drive{Path: disk}, Drive{Path: inner})
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcCopyDeviceToFile, &rpc.CopyDeviceToFileArgs{Src: "/dev/sdb", Dest: "/inner.img"})
	wantOK(t, c, rpc.ProcLnS, &rpc.LnSArgs{Target: "inner.img", Linkname: "/link"})
	for range 3 {
		wantOK(t, c, rpc.ProcMkdirP, &rpc.MkdirPArgs{Path: "/loop"})
		wantOK(t, c, rpc.ProcMountLoop, &rpc.MountLoopArgs{File: "/link", Mountpoint: "/loop"})
		wantOK(t, c, rpc.ProcFillPattern, &rpc.FillPatternArgs{Path: "/loop/file", Pattern: "inside", Len: 60000})
		if got := list(t, c, rpc.ProcMounts); !slices.Equal(got, []string{"/dev/sda", "/dev/loop0"}) {
			t.Errorf("mounts %s", got)
		}
		wantOK(t, c, rpc.ProcUmount, &rpc.UmountArgs{Pathordevice: "/loop"})
	}
	wantError(t, c, rpc.ProcMountLoop, &rpc.MountLoopArgs{File: "/nothing", Mountpoint: "/loop"}, "/nothing on /loop: mount: /loop: failed to setup loop device for /nothing.")
	wantError(t, c, rpc.ProcMountLoop, &rpc.MountLoopArgs{File: "/inner.img", Mountpoint: "/inner.img"}, "/inner.img on /inner.img: mount: /inner.img: mount point is not a directory.")
	wantError(t, c, rpc.ProcMountLoop, &rpc.MountLoopArgs{File: "/lost+found", Mountpoint: "/loop"}, "(?s)mount exited with status 32: .*")
	wantOK(t, c, rpc.ProcMountLoop, &rpc.MountLoopArgs{File: "/inner.img", Mountpoint: "/loop"})
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	check(t, "ext4", disk)
	testimg.MustRun(t, "debugfs", "-R", "dump /inner.img "+inner, disk)
	check(t, "vfat", inner)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", disk) // nobody has it open
}
