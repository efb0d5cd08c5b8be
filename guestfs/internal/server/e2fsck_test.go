package server

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/internal/testimg"
)

// pair returns a value of a hashtable that a call returns.
func pair(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args, key string) string {
	t.Helper()
	text, err := hashtable(c, proc, a)
	if err != nil {
		t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	for line := range strings.Lines(text) {
		if k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); k == key {
			return v
		}
	}
	return ""
}

// dumpe2fs returns a field of a superblock as the host's tune2fs shows it.
func dumpe2fs(t *testing.T, image, key string) string {
	t.Helper()
	out, err := exec.Command("tune2fs", "-l", image).Output()
	if err != nil {
		t.Errorf("tune2fs -l: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if k, v, ok := strings.Cut(line, ":"); ok && k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func TestExtTools(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mke2fs", "tune2fs", "resize2fs", "e2fsck")
	disk := image(t, 96)
	c := connect(t, Drive{Path: disk})
	const dev = "/dev/sda"
	wantOK(t, c, rpc.ProcMke2fs, &rpc.Mke2fsArgs{
		Device: dev, Fstype: rpc.Some("ext4"), Blockscount: rpc.Some(int64(16384)), Blocksize: rpc.Some(int64(4096)),
		Inodesize: rpc.Some(int64(512)), Label: rpc.Some("made"), Uuid: rpc.Some("11111111-2222-3333-4444-000000000001"),
		Reservedblockspercentage: rpc.Some(2), Extent: rpc.Some(true), Resizeinode: rpc.Some(false), Quota: rpc.Some(true),
		Stridesize: rpc.Some(int64(16)), Stripewidth: rpc.Some(int64(64)), Lazyitableinit: rpc.Some(false), Lastmounteddir: rpc.Some("/there"),
		Journalsize: rpc.Some(int64(8)), Discard: rpc.Some(false), Forcecreate: rpc.Some(true),
	})
	for key, want := range map[string]string{
		"Block count": "16384", "Block size": "4096", "Inode size": "512", "Filesystem volume name": "made",
		"Filesystem UUID": "11111111-2222-3333-4444-000000000001", "RAID stride": "16", "RAID stripe width": "64",
		"Last mounted on": "/there", "Reserved block count": "327",
	} {
		if got := dumpe2fs(t, disk, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
		if got := pair(t, c, rpc.ProcTune2fsL, &rpc.Tune2fsLArgs{Device: dev}, key); got != want {
			t.Errorf("tune2fs_l: %s is %s, want %s", key, got, want)
		}
	}
	if f := " " + dumpe2fs(t, disk, "Filesystem features") + " "; !strings.Contains(f, " quota ") || strings.Contains(f, " resize_inode ") {
		t.Errorf("features %s", f)
	}
	writeFile(t, c, "ext4", dev)
	wantOK(t, c, rpc.ProcTune2fs, &rpc.Tune2fsArgs{
		Device: dev, Maxmountcount: rpc.Some(17), Mountcount: rpc.Some(5), Errorbehavior: rpc.Some("remount-ro"), Group: rpc.Some(int64(12)),
		Intervalbetweenchecks: rpc.Some(3600), Reservedblockscount: rpc.Some(int64(100)), User: rpc.Some(int64(1000)),
		Lastmounteddirectory: rpc.Some("/elsewhere"), Force: rpc.Some(true),
	})
	for key, want := range map[string]string{
		"Maximum mount count": "17", "Mount count": "5", "Errors behavior": "Remount read-only", "Check interval": "3600 (1:00:00)",
		"Reserved block count": "100", "Last mounted on": "/elsewhere",
	} {
		if got := dumpe2fs(t, disk, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	wantError(t, c, rpc.ProcTune2fs, &rpc.Tune2fsArgs{Device: dev, Reservedblockspercentage: rpc.Some(101)}, "reservedblockspercentage value out of range")
	wantError(t, c, rpc.ProcTune2fs, &rpc.Tune2fsArgs{Device: dev, Errorbehavior: rpc.Some("x")}, "invalid errorbehavior parameter")

	// Which it would not be without a check: nobody has checked it since it was mounted.
	wantOK(t, c, rpc.ProcResize2fs, &rpc.Resize2fsArgs{Device: dev})
	if got := dumpe2fs(t, disk, "Block count"); got != "24576" {
		t.Errorf("%s blocks after resize2fs", got)
	}
	wantOK(t, c, rpc.ProcE2fsckF, &rpc.E2fsckFArgs{Device: dev})
	wantOK(t, c, rpc.ProcResize2fsSize, &rpc.Resize2fsSizeArgs{Device: dev, Size: 80 << 20})
	if got := dumpe2fs(t, disk, "Block count"); got != "20480" {
		t.Errorf("%s blocks after resize2fs_size", got)
	}
	wantError(t, c, rpc.ProcResize2fsSize, &rpc.Resize2fsSizeArgs{Device: dev, Size: 1000}, "1000: size must be a round number of kilobytes")
	least, err := number(c, rpc.ProcVfsMinimumSize, &rpc.VfsMinimumSizeArgs{Mountable: dev})
	if err != nil || least < 1<<20 || least > 40<<20 {
		t.Errorf("minimum size %d, %v", least, err)
	}
	wantOK(t, c, rpc.ProcE2fsckF, &rpc.E2fsckFArgs{Device: dev})
	wantOK(t, c, rpc.ProcResize2fsM, &rpc.Resize2fsMArgs{Device: dev})
	if got := pair(t, c, rpc.ProcTune2fsL, &rpc.Tune2fsLArgs{Device: dev}, "Block count"); len(got) > 4 {
		t.Errorf("%s blocks after resize2fs_M", got)
	}
	check(t, "ext4", disk)
	wantNumber(t, c, rpc.ProcFsck, &rpc.FsckArgs{Fstype: "ext4", Device: dev}, 0)

	// A link count that is wrong is found, and repaired.
	testimg.MustRun(t, "debugfs", "-w", "-R", "set_inode_field /file.txt links_count 7", disk)
	wantOK(t, c, rpc.ProcDropCaches, &rpc.DropCachesArgs{Whattodrop: 3})
	wantError(t, c, rpc.ProcE2fsck, &rpc.E2fsckArgs{Device: dev}, `(?s)/dev/sda: e2fsck: .*Inode 1[0-9] ref count is 7, should be 1.*`)
	wantError(t, c, rpc.ProcE2fsck, &rpc.E2fsckArgs{Device: dev, Correct: rpc.Some(true), Forceall: rpc.Some(true)}, "only one of the options may be specified")
	wantOK(t, c, rpc.ProcE2fsck, &rpc.E2fsckArgs{Device: dev, Forceall: rpc.Some(true)})
	check(t, "ext4", disk)

	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: dev, Mountpoint: "/"})
	wantError(t, c, rpc.ProcE2fsckF, &rpc.E2fsckFArgs{Device: dev}, "open: /dev/sda: Device or resource busy")
	if got := pair(t, c, rpc.ProcTune2fsL, &rpc.Tune2fsLArgs{Device: dev}, "Filesystem volume name"); got != "made" {
		t.Errorf("label of what is mounted: %q", got)
	}
	wantOK(t, c, rpc.ProcUmountAll, &rpc.None{})
	wantError(t, c, rpc.ProcMke2fs, &rpc.Mke2fsArgs{Device: dev, Journaldevice: rpc.Some(dev)}, "(?s).*will not make a journal here.*")
	wantError(t, c, rpc.ProcMke2fs, &rpc.Mke2fsArgs{Device: dev, Blocksize: rpc.Some(int64(-1))}, "blocksize must be >= 0")
	wantOK(t, c, rpc.ProcMke2journalL, &rpc.Mke2journalLArgs{Device: dev, Blocksize: 4096, Label: "journal"})
	if got := blkidTag(t, disk, "TYPE"); got != "jbd" {
		t.Errorf("a journal is %s", got)
	}
}

// TestZerofree finds that what was deleted is gone.
func TestZerofree(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "zerofree", "mkfs.ext2")
	disk := image(t, 16)
	testimg.MustRun(t, "mkfs.ext2", "-q", "-F", disk)
	c := connect(t, Drive{Path: disk})
	writeFile(t, c, "ext4", "/dev/sda")
	wantOK(t, c, rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/sda", Mountpoint: "/"})
	wantOK(t, c, rpc.ProcRm, &rpc.RmArgs{Path: "/file.txt"})
	wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{})
	has := func() bool {
		b, err := os.ReadFile(disk)
		return err != nil || strings.Contains(string(b), "content\ncontent\n")
	}
	if !has() {
		t.Error("nothing to zero")
	}
	wantOK(t, c, rpc.ProcZerofree, &rpc.ZerofreeArgs{Device: "/dev/sda"})
	if has() {
		t.Error("the content is still there")
	}
	check(t, "ext2", disk)
}
