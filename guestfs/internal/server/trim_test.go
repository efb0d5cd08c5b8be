package server

import (
	"errors"
	"math/bits"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

// allocated is how much space of the host a file takes, in bytes.
func allocated(t *testing.T, name string) int64 {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Blocks * 512
}

func TestTrim(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext4", "mkfs.vfat", "e2fsck")
	disk, fat := image(t, 64), image(t, 40)
	testimg.MustRun(t, "mkfs.ext4", "-q", "-F", disk)
	testimg.MustRun(t, "mkfs.minix", fat)
	c := connect(t, Drive{Path: disk}, Drive{Path: fat})
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcFill, &rpc.FillArgs{Path: "/large", C: 1, Len: 30 << 20})
	wantOK(t, c, rpc.ProcSync, &rpc.None{})
	full := allocated(t, disk)
	wantOK(t, c, rpc.ProcRm, &rpc.RmArgs{Path: "/large"})
	wantError(t, c, rpc.ProcFstrim, &rpc.FstrimArgs{Mountpoint: "/", Offset: rpc.Some(int64(-1))}, "offset < 0")
	wantOK(t, c, rpc.ProcFstrim, &rpc.FstrimArgs{Mountpoint: "/", Offset: rpc.Some(int64(0)), Length: rpc.Some(int64(1 << 40)), Minimumfreeextent: rpc.Some(int64(4096))})
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	if now := allocated(t, disk); full < 30<<20 || now > full-25<<20 {
		t.Errorf("%d bytes of the host, before %d", now, full)
	}
	check(t, "ext4", disk)
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sdb", Mountpoint: "/"})
	if err := invoke(c, rpc.ProcFstrim, &rpc.FstrimArgs{Mountpoint: "/"}, nil); !errors.Is(err, unix.ENOTSUP) {
		t.Errorf("fstrim of minix: %v", err)
	}
	if err := invoke(c, rpc.ProcBlkdiscard, &rpc.BlkdiscardArgs{Device: "/dev/sdb"}, nil); !errors.Is(err, unix.EBUSY) {
		t.Errorf("blkdiscard of what is mounted: %v", err)
	}
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantOK(t, c, rpc.ProcBlkdiscard, &rpc.BlkdiscardArgs{Device: "/dev/sda"})
	wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/sda"}, "")
	if now := allocated(t, disk); now > 1<<20 {
		t.Errorf("%d bytes of the host after blkdiscard", now)
	}
	wantNumber(t, c, rpc.ProcBlkdiscardzeroes, &rpc.BlkdiscardzeroesArgs{Device: "/dev/sda"}, 0)
}

func TestScrub(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mkfs.ext2", "e2fsck")
	disk := image(t, 8)
	testimg.MustRun(t, "mkfs.ext2", "-q", "-F", disk)
	c := connect(t, Drive{Path: disk})
	has := func(what string) bool {
		b, err := os.ReadFile(disk)
		return err != nil || strings.Contains(string(b), what)
	}
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcFillPattern, &rpc.FillPatternArgs{Path: "/one", Pattern: "secret of one ", Len: 1 << 20})
	wantOK(t, c, rpc.ProcFillPattern, &rpc.FillPatternArgs{Path: "/two", Pattern: "secret of two ", Len: 1<<20 + 5})
	wantOK(t, c, rpc.ProcLnS, &rpc.LnSArgs{Target: "/one", Linkname: "/link"})
	wantOK(t, c, rpc.ProcRm, &rpc.RmArgs{Path: "/two"})
	wantOK(t, c, rpc.ProcSync, &rpc.None{})
	if !has("secret of one") || !has("secret of two") {
		t.Error("nothing to scrub")
	}
	wantOK(t, c, rpc.ProcScrubFile, &rpc.ScrubFileArgs{File: "/link"})
	wantNumber(t, c, rpc.ProcExists, &rpc.ExistsArgs{Path: "/one"}, 0)
	wantError(t, c, rpc.ProcScrubFile, &rpc.ScrubFileArgs{File: "/lost+found"}, "/lost\\+found: not a regular file")
	wantOK(t, c, rpc.ProcSync, &rpc.None{})
	if has("secret of one") || !has("secret of two") {
		t.Error("not the file was scrubbed, or more")
	}
	wantError(t, c, rpc.ProcScrubFreespace, &rpc.ScrubFreespaceArgs{Dir: "/lost+found"}, "/lost\\+found: File exists")
	wantOK(t, c, rpc.ProcScrubFreespace, &rpc.ScrubFreespaceArgs{Dir: "/scrub"})
	wantNumber(t, c, rpc.ProcExists, &rpc.ExistsArgs{Path: "/scrub"}, 0)
	wantError(t, c, rpc.ProcScrubDevice, &rpc.ScrubDeviceArgs{Device: "/dev/sda"}, "open: /dev/sda: Device or resource busy")
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	if has("secret of") {
		t.Error("free space was not scrubbed")
	}
	check(t, "ext2", disk)
	wantOK(t, c, rpc.ProcScrubDevice, &rpc.ScrubDeviceArgs{Device: "/dev/sda"})
	wantNumber(t, c, rpc.ProcIsZeroDevice, &rpc.IsZeroDeviceArgs{Device: "/dev/sda"}, 1)
	b, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range b {
		if bits.OnesCount8(x) != 0 {
			t.Fatal("not zeroed at last")
		}
	}
}
