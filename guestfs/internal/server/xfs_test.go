package server

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

func xfsInfo(t *testing.T, c *protocol.Client, name string) (v rpc.Xfsinfo) {
	t.Helper()
	if err := invoke(c, rpc.ProcXfsInfo, &rpc.XfsInfoArgs{Pathordevice: name}, v.Code); err != nil {
		t.Errorf("xfs_info %s: %v", name, err)
	}
	return v
}

// hostXfsInfo is what the host's tool says, in the form of xfsLine.
func hostXfsInfo(t *testing.T, image string) string {
	t.Helper()
	out, err := exec.Command("xfs_db", "-r", "-f", "-c", "info", image).CombinedOutput()
	if err != nil {
		t.Fatalf("xfs_db: %v\n%s", err, out)
	}
	line := ""
	for _, re := range []string{
		`isize=(\d+)`, `agcount=(\d+)`, `agsize=(\d+)`, `sectsz=(\d+)`, `attr=(\d+)`, `data +=.*?bsize=(\d+)`, `blocks=(\d+), imaxpct`, `imaxpct=(\d+)`,
		`sunit=(\d+) +swidth`, `swidth=(\d+)`, `=version (\d+)`, `naming.*?bsize=(\d+)`, `ascii-ci=(\d+)`, `log +=(\w+)`,
		`log .*?bsize=(\d+)`, `log .*?blocks=(\d+)`, `version=(\d+)`, `log .*\n.*sectsz=(\d+)`, `sunit=(\d+) blks, lazy`, `lazy-count=(\d+)`, `realtime +=(\w+)`, `extsz=(\d+)`, `rtextents=(\d+)`,
	} {
		m := regexp.MustCompile(re).FindSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in\n%s", re, out)
		}
		line += string(m[1]) + " "
	}
	return line
}

func xfsLine(v rpc.Xfsinfo) string {
	return fmt.Sprintln(v.XfsInodesize, v.XfsAgcount, v.XfsAgsize, v.XfsSectsize, v.XfsAttr, v.XfsBlocksize, v.XfsDatablocks, v.XfsImaxpct,
		v.XfsSunit, v.XfsSwidth, v.XfsDirversion, v.XfsDirblocksize, v.XfsCimode, v.XfsLogname,
		v.XfsLogblocksize, v.XfsLogblocks, v.XfsLogversion, v.XfsLogsectsize, v.XfsLogsunit, v.XfsLazycount, v.XfsRtname, v.XfsRtextsize, v.XfsRtextents)
}

// TestXfs compares geometries with the host's, and grows and repairs.
func TestXfs(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.xfs", "xfs_db", "xfs_repair", "xfs_admin")
	disk, old := image(t, 500), image(t, 320)
	testimg.MustRun(t, "mkfs.xfs", "-q", "-b", "size=2048", "-d", "size=400m,agcount=2,sunit=64,swidth=128", "-l", "size=64m", "-i", "size=1024", "-n", "size=8192", disk)
	testimg.MustRun(t, "mkfs.xfs", "-q", "-m", "crc=0", "-n", "version=ci", "-l", "version=1", old)
	c := connect(t, Drive{Path: disk}, Drive{Path: old}, Drive{Path: image(t, 1)})
	for dev, img := range map[string]string{"/dev/sda": disk, "/dev/sdb": old} {
		want := hostXfsInfo(t, img)
		compare := func(name string) {
			t.Helper()
			if got := xfsLine(xfsInfo(t, c, name)); got != want[:len(want)-1]+"\n" {
				t.Errorf("%s: %swant %s", name, got, want)
			}
		}
		compare(dev)
		wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: dev, Mountpoint: "/"})
		compare("/")
		compare(dev)
		wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: dev}, "xfs")
		wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	}
	wantError(t, c, rpc.ProcXfsInfo, &rpc.XfsInfoArgs{Pathordevice: "/dev/sdc"}, "/dev/sdc: not an XFS filesystem")
	for key, want := range map[string]string{"meta-data": "/dev/sda", "meta-data.isize": "1024", "data.bsize": "2048", "log": "internal log", "naming": "version 2"} {
		if got := pair(t, c, rpc.ProcXfsInfo2, &rpc.XfsInfo2Args{Pathordevice: "/dev/sda"}, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	wantNumber(t, c, rpc.ProcVfsMinimumSize, &rpc.VfsMinimumSizeArgs{Mountable: "/dev/sda"}, 400<<20)

	writeFile(t, c, "xfs", "/dev/sda")
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcXfsGrowfs, &rpc.XfsGrowfsArgs{Path: "/", Datasize: rpc.Some(int64(450 << 20 / 2048))})
	if got := xfsInfo(t, c, "/").XfsDatablocks; got != 450<<20/2048 {
		t.Errorf("%d blocks", got)
	}
	wantOK(t, c, rpc.ProcXfsGrowfs, &rpc.XfsGrowfsArgs{Path: "/", Maxpct: rpc.Some(30)})
	wantOK(t, c, rpc.ProcXfsGrowfs, &rpc.XfsGrowfsArgs{Path: "/"})
	wantOK(t, c, rpc.ProcXfsGrowfs, &rpc.XfsGrowfsArgs{Path: "/", Datasec: rpc.Some(true)})
	if got := xfsInfo(t, c, "/"); got.XfsDatablocks != 500<<20/2048 || got.XfsImaxpct != 30 {
		t.Errorf("%d blocks, %d %%", got.XfsDatablocks, got.XfsImaxpct)
	}
	wantError(t, c, rpc.ProcXfsGrowfs, &rpc.XfsGrowfsArgs{Path: "/", Datasize: rpc.Some(int64(-1))}, "/: a size must be >= 0")
	wantError(t, c, rpc.ProcXfsGrowfs, &rpc.XfsGrowfsArgs{Path: "/", Datasize: rpc.Some(int64(1 << 40))}, "/: growing the data section: .*")
	wantError(t, c, rpc.ProcXfsGrowfs, &rpc.XfsGrowfsArgs{Path: "/", Logsec: rpc.Some(true)}, "/: growing the log section: .*")
	wantError(t, c, rpc.ProcXfsAdmin, &rpc.XfsAdminArgs{Device: "/dev/sda", Label: rpc.Some("x")}, "open: /dev/sda: Device or resource busy")
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	check(t, "xfs", disk)

	wantOK(t, c, rpc.ProcXfsAdmin, &rpc.XfsAdminArgs{Device: "/dev/sdb", Label: rpc.Some("label"), Lazycounter: rpc.Some(false), V2log: rpc.Some(true)})
	if got := xfsInfo(t, c, "/dev/sdb"); got.XfsLazycount != 0 || got.XfsLogversion != 2 {
		t.Errorf("after xfs_admin: %+v", got)
	}
	wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: "/dev/sdb"}, "label")
	check(t, "xfs", old)

	// A superblock that is gone is found by xfs_repair, and comes back.
	f, err := os.OpenFile(old, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt(make([]byte, 512), 0)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	wantOK(t, c, rpc.ProcDropCaches, &rpc.DropCachesArgs{Whattodrop: 3})
	repair := func(a rpc.XfsRepairArgs) (status int) {
		t.Helper()
		a.Device = "/dev/sdb"
		if err := invoke(c, rpc.ProcXfsRepair, &a, func(x *xdr.Codec) { x.Int(&status) }); err != nil {
			t.Error(err)
		}
		return status
	}
	if got := repair(rpc.XfsRepairArgs{Nomodify: rpc.Some(true)}); got != 1 {
		t.Errorf("xfs_repair -n of what is damaged: %d", got)
	}
	if got := repair(rpc.XfsRepairArgs{Maxmem: rpc.Some(int64(200)), Noprefetch: rpc.Some(true)}); got != 0 {
		t.Errorf("xfs_repair: %d", got)
	}
	if got := repair(rpc.XfsRepairArgs{Nomodify: rpc.Some(true)}); got != 0 {
		t.Errorf("xfs_repair -n of what is repaired: %d", got)
	}
	check(t, "xfs", old)
	wantError(t, c, rpc.ProcXfsRepair, &rpc.XfsRepairArgs{Device: "/dev/sdb", Maxmem: rpc.Some(int64(-1))}, "maxmem must be >= 0")
}
