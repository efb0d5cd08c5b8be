package server

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

func partList(c *protocol.Client, device string) (v []rpc.Partition, err error) {
	err = invoke(c, rpc.ProcPartList, &rpc.PartListArgs{Device: device}, func(x *xdr.Codec) {
		n := x.Count(len(v), 4)
		v = make([]rpc.Partition, n)
		for i := range v {
			v[i].Code(x)
		}
	})
	return v, err
}

// TestPartRead has what the appliance answers.
func TestPartRead(t *testing.T) {
	needKernel(t)
	c := connect(t, drives(t)...)
	for device, want := range map[string]string{
		"/dev/sdb": "[{1 1048576 42991615 41943040} {2 42991616 84934655 41943040} {3 84934656 209715199 124780544} {5 85983232 106954751 20971520} {6 108003328 139460607 31457280}]",
		"/dev/sdc": "[{1 0 20971519 20971520}]",
	} {
		got, err := partList(c, device)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%s: %v, %v, want %s", device, got, err, want)
		}
	}
	noTable := "/dev/sdd: unrecognised disk label: Invalid argument"
	wantError(t, c, rpc.ProcPartList, &rpc.PartListArgs{Device: "/dev/sdd"}, noTable)
	wantText(t, c, rpc.ProcPartGetParttype, &rpc.PartGetParttypeArgs{Device: "/dev/sda"}, "gpt")
	wantText(t, c, rpc.ProcPartGetParttype, &rpc.PartGetParttypeArgs{Device: "/dev/sdb"}, "msdos")
	wantError(t, c, rpc.ProcPartGetParttype, &rpc.PartGetParttypeArgs{Device: "/dev/sdc"}, "/dev/sdc: not a partitioned device")
	wantError(t, c, rpc.ProcPartGetParttype, &rpc.PartGetParttypeArgs{Device: "/dev/sdd"}, noTable)
	wantError(t, c, rpc.ProcPartGetParttype, &rpc.PartGetParttypeArgs{Device: "/dev/sda1"}, "/dev/sda1: not a whole disk.*")

	for n, want := range map[int]string{1: "primary", 3: "extended", 5: "logical"} {
		wantText(t, c, rpc.ProcPartGetMbrPartType, &rpc.PartGetMbrPartTypeArgs{Device: "/dev/sdb", Partnum: n}, want)
	}
	wantText(t, c, rpc.ProcPartGetMbrPartType, &rpc.PartGetMbrPartTypeArgs{Device: "/dev/sda", Partnum: 1}, "primary")
	wantNumber(t, c, rpc.ProcPartGetMbrId, &rpc.PartGetMbrIdArgs{Device: "/dev/sdb", Partnum: 1}, 0x83)
	wantNumber(t, c, rpc.ProcPartGetMbrId, &rpc.PartGetMbrIdArgs{Device: "/dev/sda", Partnum: 1}, 0xfc63daf)
	wantError(t, c, rpc.ProcPartGetMbrId, &rpc.PartGetMbrIdArgs{Device: "/dev/sdb", Partnum: 9}, "partition number 9 not found")
	wantNumber(t, c, rpc.ProcPartGetBootable, &rpc.PartGetBootableArgs{Device: "/dev/sdb", Partnum: 1}, 1)
	wantNumber(t, c, rpc.ProcPartGetBootable, &rpc.PartGetBootableArgs{Device: "/dev/sdb", Partnum: 2}, 0)
	wantNumber(t, c, rpc.ProcPartGetBootable, &rpc.PartGetBootableArgs{Device: "/dev/sda", Partnum: 4}, 1)
	wantText(t, c, rpc.ProcPartGetName, &rpc.PartGetNameArgs{Device: "/dev/sda", Partnum: 1}, "root")
	wantError(t, c, rpc.ProcPartGetName, &rpc.PartGetNameArgs{Device: "/dev/sdb", Partnum: 1}, "part-get-name can only be used on GUID Partition Tables")
	wantText(t, c, rpc.ProcPartGetGptType, &rpc.PartGetGptTypeArgs{Device: "/dev/sda", Partnum: 1}, "0FC63DAF-8483-4772-8E79-3D69D8477DE4")
	wantText(t, c, rpc.ProcPartGetGptType, &rpc.PartGetGptTypeArgs{Device: "/dev/sdb", Partnum: 1}, "0FC63DAF-8483-4772-8E79-3D69D8477DE4")
	wantText(t, c, rpc.ProcPartGetGptGuid, &rpc.PartGetGptGuidArgs{Device: "/dev/sda", Partnum: 1}, "11111111-2222-3333-4444-000000000001")
	wantNumber(t, c, rpc.ProcPartGetGptAttributes, &rpc.PartGetGptAttributesArgs{Device: "/dev/sda", Partnum: 2}, 1)
	wantText(t, c, rpc.ProcPartGetDiskGuid, &rpc.PartGetDiskGuidArgs{Device: "/dev/sda"}, "11111111-2222-3333-4444-555555555555")
	wantError(t, c, rpc.ProcPartGetDiskGuid, &rpc.PartGetDiskGuidArgs{Device: "/dev/sdb"}, "/dev/sdb: not a GUID Partition Table")
}

// hostTable is what sfdisk says of an image, a line a partition.
func hostTable(t *testing.T, image string) string {
	t.Helper()
	out, err := exec.Command("sfdisk", "-J", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		PartitionTable struct {
			Label, ID  string
			Partitions []struct {
				Node, Type, Name, Attrs string
				Start, Size             int64
				Bootable                bool
			}
		}
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(v.PartitionTable.Label + "\n")
	for _, p := range v.PartitionTable.Partitions {
		line := fmt.Sprintf("%s %d+%d %s", strings.TrimPrefix(p.Node, image), p.Start, p.Size, p.Type)
		if p.Name != "" {
			line += " name=" + p.Name
		}
		if p.Attrs != "" {
			line += " attrs=" + p.Attrs
		}
		if p.Bootable {
			line += " *"
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// TestPartWrite changes tables, with a mounted partition on the disk.
func TestPartWrite(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "sfdisk", "sgdisk", "mkfs.ext2")
	dos, gpt, blank := image(t, 64), image(t, 64), image(t, 8)
	c := connect(t, Drive{Path: dos}, Drive{Path: gpt}, Drive{Path: blank})
	sync := func() { wantOK(t, c, rpc.ProcInternalAutosync, &rpc.None{}) }
	partitions := func(want string) {
		t.Helper()
		if got := strings.Join(list(t, c, rpc.ProcListPartitions), " "); got != want {
			t.Errorf("partitions %s, want %s", got, want)
		}
	}
	add := func(device, role string, start, end int64) *rpc.PartAddArgs {
		return &rpc.PartAddArgs{Device: device, Prlogex: role, Startsect: start, Endsect: end}
	}
	wantError(t, c, rpc.ProcPartAdd, add("/dev/sda", "p", 64, 100), "/dev/sda: unrecognised disk label: Invalid argument")
	wantError(t, c, rpc.ProcPartInit, &rpc.PartInitArgs{Device: "/dev/sda", Parttype: "foo"}, `unknown partition type: common choices are "gpt" and "msdos"`)
	wantError(t, c, rpc.ProcPartInit, &rpc.PartInitArgs{Device: "/dev/sda", Parttype: "sun"}, `.*not available.*`)
	wantOK(t, c, rpc.ProcPartInit, &rpc.PartInitArgs{Device: "/dev/sda", Parttype: "mbr"})
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sda", "p", 2048, 4095))
	wantError(t, c, rpc.ProcPartAdd, add("/dev/sda", "p", 2048, 4095), "/dev/sda: .*no room.*")
	wantError(t, c, rpc.ProcPartAdd, add("/dev/sda", "q", 5000, -1), `unknown partition type: q: .*`)
	wantError(t, c, rpc.ProcPartAdd, add("/dev/sda", "l", 5000, 6000), "/dev/sda: .*")
	wantError(t, c, rpc.ProcPartAdd, add("/dev/sda", "p", 5000, 1<<20), "/dev/sda: .*not on the disk.*")
	wantError(t, c, rpc.ProcPartAdd, add("/dev/sda", "p", 5000, -1<<63), "/dev/sda: .*not on the disk.*")
	wantError(t, c, rpc.ProcPartAdd, add("/dev/sda", "p", 1<<62, -1), "/dev/sda: .*not on the disk.*")
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sda", "primary", 4096, 8191))
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sda", "extended", 8192, -1))
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sda", "logical", 10240, 20479))
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sda", "l", 22528, -2048))
	partitions("/dev/sda1 /dev/sda2 /dev/sda3 /dev/sda5 /dev/sda6")
	wantOK(t, c, rpc.ProcPartSetMbrId, &rpc.PartSetMbrIdArgs{Device: "/dev/sda", Partnum: 1, Idbyte: 7})
	wantNumber(t, c, rpc.ProcPartGetMbrId, &rpc.PartGetMbrIdArgs{Device: "/dev/sda", Partnum: 1}, 7)
	wantOK(t, c, rpc.ProcPartSetBootable, &rpc.PartSetBootableArgs{Device: "/dev/sda", Partnum: 2, Bootable: true})
	wantOK(t, c, rpc.ProcPartResize, &rpc.PartResizeArgs{Device: "/dev/sda", Partnum: 5, Endsect: 18431})
	wantError(t, c, rpc.ProcPartDel, &rpc.PartDelArgs{Device: "/dev/sda", Partnum: 9}, "/dev/sda: partition 9: no such partition")
	wantError(t, c, rpc.ProcPartDel, &rpc.PartDelArgs{Device: "/dev/sda", Partnum: -1}, "partition number must be >= 1")
	wantError(t, c, rpc.ProcPartSetName, &rpc.PartSetNameArgs{Device: "/dev/sda", Partnum: 1, Name: "x"}, "/dev/sda: msdos disk labels do not support partition name.")
	wantOK(t, c, rpc.ProcPartDel, &rpc.PartDelArgs{Device: "/dev/sda", Partnum: 6})
	partitions("/dev/sda1 /dev/sda2 /dev/sda3 /dev/sda5")
	wantNumber(t, c, rpc.ProcBlockdevGetsz, &rpc.BlockdevGetszArgs{Device: "/dev/sda5"}, 8192)
	sync()
	if got, want := hostTable(t, dos), "dos\n1 2048+2048 7\n2 4096+4096 83 *\n3 8192+122880 f\n5 10240+8192 83\n"; got != want {
		t.Errorf("sfdisk says\n%swant\n%s", got, want)
	}

	linux := "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	wantOK(t, c, rpc.ProcPartInit, &rpc.PartInitArgs{Device: "/dev/sdb", Parttype: "efi"})
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sdb", "p", 2048, 4095))
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sdb", "l", 4096, 8191))
	wantOK(t, c, rpc.ProcPartAdd, add("/dev/sdb", "p", 8192, -34))
	wantOK(t, c, rpc.ProcPartSetName, &rpc.PartSetNameArgs{Device: "/dev/sdb", Partnum: 3, Name: "données"})
	wantOK(t, c, rpc.ProcPartSetGptType, &rpc.PartSetGptTypeArgs{Device: "/dev/sdb", Partnum: 2, Guid: "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"})
	wantOK(t, c, rpc.ProcPartSetBootable, &rpc.PartSetBootableArgs{Device: "/dev/sdb", Partnum: 1, Bootable: true})
	wantOK(t, c, rpc.ProcPartSetGptAttributes, &rpc.PartSetGptAttributesArgs{Device: "/dev/sdb", Partnum: 3, Attributes: 4})
	wantOK(t, c, rpc.ProcPartSetGptGuid, &rpc.PartSetGptGuidArgs{Device: "/dev/sdb", Partnum: 3, Guid: "C12A7328-F81F-11D2-BA4B-00A0C93EC93C"})
	wantText(t, c, rpc.ProcPartGetGptGuid, &rpc.PartGetGptGuidArgs{Device: "/dev/sdb", Partnum: 3}, "C12A7328-F81F-11D2-BA4B-00A0C93EC93C")
	wantOK(t, c, rpc.ProcPartSetDiskGuid, &rpc.PartSetDiskGuidArgs{Device: "/dev/sdb", Guid: "C12A7328-F81F-11D2-BA4B-00A0C93EC93D"})
	wantText(t, c, rpc.ProcPartGetDiskGuid, &rpc.PartGetDiskGuidArgs{Device: "/dev/sdb"}, "C12A7328-F81F-11D2-BA4B-00A0C93EC93D")
	wantOK(t, c, rpc.ProcPartSetDiskGuidRandom, &rpc.PartSetDiskGuidRandomArgs{Device: "/dev/sdb"})
	wantOK(t, c, rpc.ProcPartExpandGpt, &rpc.PartExpandGptArgs{Device: "/dev/sdb"})
	if id, err := text(c, rpc.ProcPartGetDiskGuid, &rpc.PartGetDiskGuidArgs{Device: "/dev/sdb"}); err != nil || len(id) != 36 || id == "C12A7328-F81F-11D2-BA4B-00A0C93EC93D" {
		t.Errorf("random GUID %s, %v", id, err)
	}
	sync()
	if got, want := hostTable(t, gpt), "gpt\n1 2048+2048 C12A7328-F81F-11D2-BA4B-00A0C93EC93B name=primary\n2 4096+4096 0657FD6D-A4AB-43C4-84E5-0933C84B4F4F name=logical\n3 8192+122847 "+linux+" name=données attrs=LegacyBIOSBootable\n"; got != want {
		t.Errorf("sfdisk says\n%swant\n%s", got, want)
	}
	testimg.MustRun(t, "sgdisk", "-v", gpt)

	// Places are those of the appliance.
	for _, kind := range []string{"mbr", "gpt"} {
		wantOK(t, c, rpc.ProcPartDisk, &rpc.PartDiskArgs{Device: "/dev/sdc", Parttype: kind})
		if got, err := partList(c, "/dev/sdc"); err != nil || fmt.Sprint(got) != "[{1 65536 8323583 8258048}]" {
			t.Errorf("part_disk %s: %v, %v", kind, got, err)
		}
		wantNumber(t, c, rpc.ProcBlockdevGetsz, &rpc.BlockdevGetszArgs{Device: "/dev/sdc1"}, 8258048/512)
	}
	wantOK(t, c, rpc.ProcPartInit, &rpc.PartInitArgs{Device: "/dev/sdc", Parttype: "msdos"})
	partitions("/dev/sda1 /dev/sda2 /dev/sda3 /dev/sda5 /dev/sdb1 /dev/sdb2 /dev/sdb3")
}
