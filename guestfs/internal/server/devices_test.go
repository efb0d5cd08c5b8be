package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

func needKernel(t *testing.T) {
	t.Helper()
	k, err := lkl.Boot(context.Background(), nil)
	if errors.Is(err, lkl.ErrNoKernel) {
		t.Skip(err)
	} else if err == nil {
		k.Kill()
	}
}

// image makes an empty image of size MiB.
func image(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size << 20); err != nil {
		t.Fatal(err)
	}
	return name
}

// put copies a file into an image, at an offset of MiB.
func put(t *testing.T, image, file string, offset int64) {
	t.Helper()
	testimg.MustRun(t, "dd", "if="+file, "of="+image, "bs=1M", fmt.Sprint("seek=", offset), "conv=notrunc,sparse", "status=none")
}

// runSfdisk gives an image a partition table.
func runSfdisk(t *testing.T, image, script string) {
	t.Helper()
	testimg.Need(t, "sfdisk")
	cmd := exec.Command("sfdisk", "-q", image)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
}

// text makes a call whose result is a string.
func text(c *protocol.Client, proc uint32, a rpc.Args) (v string, err error) {
	err = invoke(c, proc, a, func(x *xdr.Codec) { x.String(&v) })
	return v, err
}

func number(c *protocol.Client, proc uint32, a rpc.Args) (v int64, err error) {
	err = invoke(c, proc, a, func(x *xdr.Codec) {
		if slices.Contains([]uint32{rpc.ProcBlockdevGetsz, rpc.ProcBlockdevGetsize64, rpc.ProcPartGetGptAttributes, rpc.ProcVfsMinimumSize, rpc.ProcBtrfsSubvolumeGetDefault}, proc) {
			x.Int64(&v)
			return
		}
		var n int
		x.Int(&n)
		v = int64(n)
	})
	return v, err
}

func list(t *testing.T, c *protocol.Client, proc uint32) (v []string) {
	t.Helper()
	if err := invoke(c, proc, &rpc.None{}, func(x *xdr.Codec) { x.Strings(&v) }); err != nil {
		t.Error(err)
	}
	return v
}

// hashtable makes a call whose result is a hashtable, and returns it as lines.
func hashtable(c *protocol.Client, proc uint32, a rpc.Args) (string, error) {
	var v []rpc.Pair
	err := invoke(c, proc, a, func(x *xdr.Codec) { rpc.CodePairs(x, &v) })
	var b strings.Builder
	for _, p := range v {
		fmt.Fprintf(&b, "%s: %s\n", p.Key, p.Value)
	}
	return b.String(), err
}

func wantText(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args, want string) {
	t.Helper()
	if got, err := text(c, proc, a); err != nil || got != want {
		t.Errorf("%s %+v: %q, %v, want %q", rpc.Lookup(proc).Name, a, got, err, want)
	}
}

func wantNumber(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args, want int64) {
	t.Helper()
	if got, err := number(c, proc, a); err != nil || got != want {
		t.Errorf("%s %+v: %d, %v, want %d", rpc.Lookup(proc).Name, a, got, err, want)
	}
}

func wantOK(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args) {
	t.Helper()
	if err := invoke(c, proc, a, nil); err != nil {
		t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
}

func wantError(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args, want string) {
	t.Helper()
	err := invoke(c, proc, a, func(x *xdr.Codec) {})
	if err == nil || !regexp.MustCompile("^"+want+"$").MatchString(err.Error()) {
		t.Errorf("%s %+v: %v, want %q", rpc.Lookup(proc).Name, a, err, want)
	}
}

// drives are three disks: a GPT with file systems of all sorts, an MBR table with
// logical partitions, and a file system on the whole disk.
func drives(t *testing.T) []Drive {
	t.Helper()
	testimg.Need(t, "sfdisk", "mkfs.ext4", "mkfs.xfs", "mkfs.vfat", "mkswap")
	gpt := image(t, 480)
	runSfdisk(t, gpt, `label: gpt
label-id: 11111111-2222-3333-4444-555555555555
start=2048, size=48M, name=root, uuid=11111111-2222-3333-4444-000000000001
size=320M, attrs=RequiredPartition
size=16M, type=0657FD6D-A4AB-43C4-84E5-0933C84B4F4F
size=40M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp
size=16M, type=E3C9E316-0B5C-4DB8-817D-F92DF00215AE
size=16M
`)
	part := func(size int64, command string, arg ...string) string {
		name := image(t, size)
		testimg.MustRun(t, command, append(arg, name)...)
		return name
	}
	put(t, gpt, part(48, "mkfs.ext4", "-q", "-L", "rootfs", "-U", "11111111-2222-3333-4444-000000000002"), 1)
	put(t, gpt, part(320, "mkfs.xfs", "-q", "-L", "xlab"), 49)
	put(t, gpt, part(16, "mkswap", "-q", "-L", "swp"), 369)
	put(t, gpt, part(40, "mkfs.vfat", "-n", "ESP"), 385)
	dos := image(t, 200)
	runSfdisk(t, dos, "label: dos\nlabel-id: 0xdeadbeef\n2048,40M,83,*\n,40M,c\n,,5\n,20M,82\n,30M,83\n")
	return []Drive{{Path: gpt, Label: "gpt"}, {Path: dos}, {Path: part(20, "mkfs.ext2", "-q", "-L", "whole")}, {Path: image(t, 8)}}
}

func TestDevices(t *testing.T) {
	needKernel(t)
	disks := drives(t)
	c := connect(t, disks...)
	for proc, want := range map[uint32]string{
		rpc.ProcListDevices:    "/dev/sda /dev/sdb /dev/sdc /dev/sdd",
		rpc.ProcListPartitions: "/dev/sda1 /dev/sda2 /dev/sda3 /dev/sda4 /dev/sda5 /dev/sda6 /dev/sdb1 /dev/sdb2 /dev/sdb3 /dev/sdb5 /dev/sdb6",
		rpc.ProcLvs:            "", rpc.ProcVgs: "", rpc.ProcPvs: "", rpc.ProcListMdDevices: "", rpc.ProcListDmDevices: "",
		rpc.ProcListLdmVolumes: "", rpc.ProcListLdmPartitions: "",
	} {
		if got := strings.Join(list(t, c, proc), " "); got != want {
			t.Errorf("%s: %s, want %s", rpc.Lookup(proc).Name, got, want)
		}
	}
	if got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{}); err != nil || got != `/dev/sdc: ext2
/dev/sdd: unknown
/dev/sda1: ext4
/dev/sda2: xfs
/dev/sda3: swap
/dev/sda4: vfat
/dev/sda6: unknown
/dev/sdb1: unknown
/dev/sdb2: unknown
/dev/sdb5: unknown
/dev/sdb6: unknown
` {
		t.Errorf("list_filesystems: %v\n%s", err, got)
	}
	if got, err := hashtable(c, rpc.ProcListDiskLabels, &rpc.None{}); err != nil || !strings.HasPrefix(got, "gpt: /dev/sda\ngpt1: /dev/sda1\n") {
		t.Errorf("list_disk_labels: %v\n%s", err, got)
	}
	var lvs []rpc.LvmLv
	if err := invoke(c, rpc.ProcLvsFull, &rpc.None{}, func(x *xdr.Codec) { n := x.Count(len(lvs), 4); lvs = make([]rpc.LvmLv, n) }); err != nil || len(lvs) != 0 {
		t.Errorf("lvs_full: %v, %v", lvs, err)
	}
	// Programs call these whether there are volumes or not.
	wantOK(t, c, rpc.ProcLvmScan, &rpc.LvmScanArgs{Activate: true})
	wantOK(t, c, rpc.ProcVgscan, &rpc.None{})
	wantOK(t, c, rpc.ProcLvmSetFilter, &rpc.LvmSetFilterArgs{Devices: []string{"/dev/sda1"}})
	wantOK(t, c, rpc.ProcLvmClearFilter, &rpc.None{})
	wantNumber(t, c, rpc.ProcNrDevices, &rpc.None{}, 4)
	wantText(t, c, rpc.ProcPartToDev, &rpc.PartToDevArgs{Partition: "/dev/sdb6"}, "/dev/sdb")
	wantNumber(t, c, rpc.ProcPartToPartnum, &rpc.PartToPartnumArgs{Partition: "/dev/vdb6"}, 6)
	wantError(t, c, rpc.ProcPartToDev, &rpc.PartToDevArgs{Partition: "/dev/sdb"}, "device name is not a partition")
	wantNumber(t, c, rpc.ProcIsWholeDevice, &rpc.IsWholeDeviceArgs{Device: "/dev/sda"}, 1)
	wantNumber(t, c, rpc.ProcIsWholeDevice, &rpc.IsWholeDeviceArgs{Device: "/dev/sda1"}, 0)

	wantNumber(t, c, rpc.ProcBlockdevGetss, &rpc.BlockdevGetssArgs{Device: "/dev/sda1"}, 512)
	wantNumber(t, c, rpc.ProcBlockdevGetbsz, &rpc.BlockdevGetbszArgs{Device: "/dev/sda1"}, 4096)
	wantNumber(t, c, rpc.ProcBlockdevGetsz, &rpc.BlockdevGetszArgs{Device: "/dev/sda1"}, 48<<11)
	wantNumber(t, c, rpc.ProcBlockdevGetsize64, &rpc.BlockdevGetsize64Args{Device: "/dev/sda1"}, 48<<20)
	wantNumber(t, c, rpc.ProcBlockdevGetro, &rpc.BlockdevGetroArgs{Device: "/dev/sdd"}, 0)
	wantOK(t, c, rpc.ProcBlockdevSetro, &rpc.BlockdevSetroArgs{Device: "/dev/sdd"})
	wantNumber(t, c, rpc.ProcBlockdevGetro, &rpc.BlockdevGetroArgs{Device: "/dev/sdd"}, 1)
	wantOK(t, c, rpc.ProcBlockdevSetrw, &rpc.BlockdevSetrwArgs{Device: "/dev/sdd"})
	wantNumber(t, c, rpc.ProcBlockdevGetro, &rpc.BlockdevGetroArgs{Device: "/dev/sdd"}, 0)
	wantOK(t, c, rpc.ProcBlockdevSetbsz, &rpc.BlockdevSetbszArgs{Device: "/dev/sdd", Blocksize: 4096})
	wantOK(t, c, rpc.ProcBlockdevSetra, &rpc.BlockdevSetraArgs{Device: "/dev/sda", Sectors: 64})
	wantOK(t, c, rpc.ProcBlockdevFlushbufs, &rpc.BlockdevFlushbufsArgs{Device: "/dev/sda1"})
	wantOK(t, c, rpc.ProcBlockdevRereadpt, &rpc.BlockdevRereadptArgs{Device: "/dev/sda"})

	for device, want := range map[string][3]string{
		"/dev/sda1": {"ext4", "rootfs", "11111111-2222-3333-4444-000000000002"},
		"/dev/sda":  {}, "/dev/sdd": {}, "/dev/sda6": {},
	} {
		wantText(t, c, rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: device}, want[0])
		wantText(t, c, rpc.ProcVfsLabel, &rpc.VfsLabelArgs{Mountable: device}, want[1])
		wantText(t, c, rpc.ProcVfsUuid, &rpc.VfsUuidArgs{Mountable: device}, want[2])
	}
	wantText(t, c, rpc.ProcFindfsLabel, &rpc.FindfsLabelArgs{Label: "swp"}, "/dev/sda3")
	wantText(t, c, rpc.ProcFindfsUuid, &rpc.FindfsUuidArgs{Uuid: "11111111-2222-3333-4444-000000000002"}, "/dev/sda1")
	wantText(t, c, rpc.ProcFindfsPartuuid, &rpc.FindfsPartuuidArgs{Uuid: "11111111-2222-3333-4444-000000000001"}, "/dev/sda1")
	wantText(t, c, rpc.ProcFindfsPartlabel, &rpc.FindfsPartlabelArgs{Label: "esp"}, "/dev/sda4")
	wantError(t, c, rpc.ProcFindfsLabel, &rpc.FindfsLabelArgs{Label: "nope"}, "unable to resolve 'LABEL=nope'")
}

// TestBlkid compares with the host's blkid.
func TestBlkid(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "blkid")
	disks := drives(t)
	c := connect(t, disks...)
	for device, at := range map[string][3]any{
		"/dev/sda": {0, int64(0)}, "/dev/sda1": {0, int64(1)}, "/dev/sda2": {0, int64(49)}, "/dev/sda3": {0, int64(369)},
		"/dev/sda4": {0, int64(385)}, "/dev/sdc": {2, int64(0)}, "/dev/sdd": {3, int64(0)}, "/dev/sdb5": {1, int64(82)},
	} {
		got, err := hashtable(c, rpc.ProcBlkid, &rpc.BlkidArgs{Device: device})
		if err != nil {
			t.Error(err)
		}
		args := []string{"-c", "/dev/null", "-p", "-o", "export", "-O", fmt.Sprint(at[1].(int64) << 20)}
		if n, err := number(c, rpc.ProcBlockdevGetsize64, &rpc.BlockdevGetsize64Args{Device: device}); err == nil {
			args = append(args, "-S", fmt.Sprint(n))
		}
		out, _ := exec.Command("blkid", append(args, disks[at[0].(int)].Path)...).Output()
		var want []string
		for _, l := range strings.Split(string(out), "\n") {
			k, v, _ := strings.Cut(l, "=")
			if slices.Contains([]string{"LABEL", "UUID", "UUID_SUB", "VERSION", "BLOCK_SIZE", "TYPE", "USAGE", "PTUUID", "PTTYPE"}, k) {
				want = append(want, k+": "+v)
			}
		}
		for _, l := range want {
			if !strings.Contains(got, l+"\n") {
				t.Errorf("%s lacks %q:\n%s", device, l, got)
			}
		}
		for _, l := range strings.Split(got, "\n") {
			k, _, _ := strings.Cut(l, ":")
			if slices.Contains([]string{"LABEL", "UUID", "TYPE"}, k) && !slices.Contains(want, l) {
				t.Errorf("%s has %q, blkid %q", device, l, want)
			}
		}
	}
	got, _ := hashtable(c, rpc.ProcBlkid, &rpc.BlkidArgs{Device: "/dev/sda1"})
	for _, want := range []string{"DEVNAME: /dev/sda1\n", "MINIMUM_IO_SIZE: ", "LOGICAL_SECTOR_SIZE: 512\n", "PART_ENTRY_SCHEME: gpt\nPART_ENTRY_NAME: root\n", "PART_ENTRY_NUMBER: 1\nPART_ENTRY_OFFSET: 2048\nPART_ENTRY_SIZE: 98304\nPART_ENTRY_DISK: "} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
