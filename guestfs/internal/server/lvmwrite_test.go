package server

import (
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testimg"
)

// lvmOf connects to a server with two empty disks, where lvm(8) runs.
func lvmOf(t *testing.T) guest {
	t.Helper()
	needKernel(t)
	testimg.Need(t, "lvm", "mkfs.ext4", "e2fsck")
	c := connect(t, Drive{Path: image(t, 128)}, Drive{Path: image(t, 128)})
	needPrograms(t, c)
	return guest{t, c}
}

func (g guest) list(proc uint32) []string { return g.strs(proc, &rpc.None{}) }

func (g guest) size(device string) (n int64) {
	g.t.Helper()
	if err := invoke(g.c, rpc.ProcBlockdevGetsize64, &rpc.BlockdevGetsize64Args{Device: device}, func(x *xdr.Codec) { x.Int64(&n) }); err != nil {
		g.t.Error(err)
	}
	return n
}

// report returns what lvm(8) itself says in our kernel.
func (g guest) report(command string) []string {
	g.t.Helper()
	out := g.str(rpc.ProcDebug, &rpc.DebugArgs{Subcmd: "sh", Extraargs: []string{"lvm", command}})
	return strings.Fields(out)
}

func want[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestLVMChanges makes volumes, changes and removes them, and compares what there is at each step with
// what package volume/lvm reads and with what lvm(8) says.
func TestLVMChanges(t *testing.T) {
	g := lvmOf(t)
	for _, d := range []string{"/dev/sda", "/dev/sdb"} {
		g.do(rpc.ProcPvcreate, &rpc.PvcreateArgs{Device: d})
	}
	want(t, "pvs", g.list(rpc.ProcPvs), []string{"/dev/sda", "/dev/sdb"})
	g.do(rpc.ProcVgcreate, &rpc.VgcreateArgs{Volgroup: "vg", Physvols: []string{"/dev/sda", "/dev/sdb"}})
	want(t, "vgs", g.list(rpc.ProcVgs), []string{"vg"})
	g.do(rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "one", Volgroup: "vg", Mbytes: 40})
	g.do(rpc.ProcLvcreateFree, &rpc.LvcreateFreeArgs{Logvol: "two-2", Volgroup: "vg", Percent: 50})
	want(t, "lvs", g.list(rpc.ProcLvs), []string{"/dev/vg/one", "/dev/vg/two-2"})
	want(t, "lvm lvs", g.report("lvs --noheadings --units m -o vg_name,lv_name,lv_size,lv_active"),
		[]string{"vg", "one", "40.00m", "active", "vg", "two-2", "104.00m", "active"})
	if n := g.size("/dev/vg/one"); n != 40<<20 {
		t.Errorf("size %d", n)
	}

	// Mounted, it grows, and nothing else is done to it.
	g.do(rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: "/dev/vg/one"})
	g.do(rpc.ProcMount, &rpc.MountArgs{Mountable: "/dev/vg/one", Mountpoint: "/"})
	g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/file", Content: []byte("kept\n")})
	g.do(rpc.ProcLvresize, &rpc.LvresizeArgs{Device: "/dev/vg/one", Mbytes: 60})
	for _, c := range []struct {
		proc uint32
		a    rpc.Args
	}{
		{rpc.ProcLvremove, &rpc.LvremoveArgs{Device: "/dev/vg/one"}},
		{rpc.ProcVgremove, &rpc.VgremoveArgs{Vgname: "vg"}},
		{rpc.ProcLvrename, &rpc.LvrenameArgs{Logvol: "/dev/vg/one", Newlogvol: "/dev/vg/x"}},
		{rpc.ProcPvremove, &rpc.PvremoveArgs{Device: "/dev/sda"}},
		{rpc.ProcPvcreate, &rpc.PvcreateArgs{Device: "/dev/sda"}},
	} {
		g.fails(c.proc, c.a, nil, "")
	}
	want(t, "lvs", g.list(rpc.ProcLvs), []string{"/dev/vg/one", "/dev/vg/two-2"})
	g.do(rpc.ProcUmountAll, &rpc.None{})
	g.do(rpc.ProcE2fsckF, &rpc.E2fsckFArgs{Device: "/dev/vg/one"})
	g.do(rpc.ProcResize2fs, &rpc.Resize2fsArgs{Device: "/dev/vg/one"})

	g.do(rpc.ProcLvrename, &rpc.LvrenameArgs{Logvol: "/dev/vg/one", Newlogvol: "/dev/vg/first"})
	g.do(rpc.ProcLvresizeFree, &rpc.LvresizeFreeArgs{Lv: "/dev/vg/two-2", Percent: 100})
	pv, vg := g.str(rpc.ProcPvuuid, &rpc.PvuuidArgs{Device: "/dev/sda"}), g.str(rpc.ProcVguuid, &rpc.VguuidArgs{Vgname: "vg"})
	g.do(rpc.ProcPvchangeUuid, &rpc.PvchangeUuidArgs{Device: "/dev/sda"})
	g.do(rpc.ProcVgchangeUuid, &rpc.VgchangeUuidArgs{Vg: "vg"})
	if g.str(rpc.ProcPvuuid, &rpc.PvuuidArgs{Device: "/dev/sda"}) == pv || g.str(rpc.ProcVguuid, &rpc.VguuidArgs{Vgname: "vg"}) == vg {
		t.Error("the same UUIDs")
	}
	g.do(rpc.ProcPvchangeUuidAll, &rpc.None{})
	g.do(rpc.ProcVgchangeUuidAll, &rpc.None{})
	g.do(rpc.ProcVgrename, &rpc.VgrenameArgs{Volgroup: "vg", Newvolgroup: "the-vg"})
	want(t, "lvs", g.list(rpc.ProcLvs), []string{"/dev/the-vg/first", "/dev/the-vg/two-2"})
	g.do(rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "/dev/the-vg/first", Mountpoint: "/"})
	if got := g.strs(rpc.ProcHead, &rpc.HeadArgs{Path: "/file"}); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("%q", got)
	}
	g.do(rpc.ProcUmountAll, &rpc.None{})

	g.do(rpc.ProcLvremove, &rpc.LvremoveArgs{Device: "/dev/the-vg/two-2"})
	want(t, "lvs", g.list(rpc.ProcLvs), []string{"/dev/the-vg/first"})
	// A new one in its place has nothing of it.
	g.do(rpc.ProcVgremove, &rpc.VgremoveArgs{Vgname: "the-vg"})
	want(t, "vgs", g.list(rpc.ProcVgs), nil)
	g.do(rpc.ProcVgcreate, &rpc.VgcreateArgs{Volgroup: "vg", Physvols: []string{"/dev/sda"}})
	g.do(rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "again", Volgroup: "vg", Mbytes: 40})
	if got := g.str(rpc.ProcVfsType, &rpc.VfsTypeArgs{Mountable: "/dev/vg/again"}); got != "" {
		t.Errorf("a new volume has %q", got)
	}
	g.do(rpc.ProcVgremove, &rpc.VgremoveArgs{Vgname: "vg"})
	g.do(rpc.ProcPvresizeSize, &rpc.PvresizeSizeArgs{Device: "/dev/sdb", Size: 64 << 20})
	want(t, "lvm pvs", g.report("pvs --noheadings --units m -o pv_name,pv_size /dev/sdb"), []string{"/dev/sdb", "64.00m"})
	g.do(rpc.ProcPvresize, &rpc.PvresizeArgs{Device: "/dev/sdb"})
	for _, d := range []string{"/dev/sda", "/dev/sdb"} {
		g.do(rpc.ProcPvremove, &rpc.PvremoveArgs{Device: d})
	}
	want(t, "pvs", g.list(rpc.ProcPvs), nil)
}

// TestLVMErrors has what lvm(8) refuses, and the daemon before it.
func TestLVMErrors(t *testing.T) {
	g := lvmOf(t)
	g.do(rpc.ProcPvcreate, &rpc.PvcreateArgs{Device: "/dev/sda"})
	g.do(rpc.ProcVgcreate, &rpc.VgcreateArgs{Volgroup: "vg", Physvols: []string{"/dev/sda"}})
	for _, c := range []struct {
		proc uint32
		a    rpc.Args
		want string
	}{
		{rpc.ProcVgcreate, &rpc.VgcreateArgs{Volgroup: "vg", Physvols: []string{"/dev/sdb"}}, "  A volume group called vg already exists."},
		{rpc.ProcVgcreate, &rpc.VgcreateArgs{Volgroup: "a/b", Physvols: []string{"/dev/sdb"}}, "(?s)  .+"},
		{rpc.ProcVgcreate, &rpc.VgcreateArgs{Volgroup: "--version", Physvols: []string{"/dev/sdb"}}, "(?s)  .+"},
		{rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "x", Volgroup: "none", Mbytes: 4}, `(?s)  Volume group "none" not found.*`},
		{rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "x", Volgroup: "vg", Mbytes: 4000}, `(?s)  Volume group "vg" has insufficient free space.*`},
		{rpc.ProcLvcreateFree, &rpc.LvcreateFreeArgs{Logvol: "x", Volgroup: "vg", Percent: 101}, `percentage must be \[0..100\] \(was 101\)`},
		{rpc.ProcVgrename, &rpc.VgrenameArgs{Volgroup: "none", Newvolgroup: "x"}, `(?s).*Volume group "none" not found.*`},
		{rpc.ProcPvresizeSize, &rpc.PvresizeSizeArgs{Device: "/dev/sda"}, "size is zero or negative"},
		{rpc.ProcLvremove, &rpc.LvremoveArgs{Device: "/dev/sdb"}, "(?s).+"},
	} {
		wantError(t, g.c, c.proc, c.a, c.want)
	}
	// What is not to be seen is not.
	g.do(rpc.ProcLvmSetFilter, &rpc.LvmSetFilterArgs{Devices: []string{"/dev/sdb"}})
	g.fails(rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "x", Volgroup: "vg", Mbytes: 4}, nil, `"vg" not found`)
	g.do(rpc.ProcLvmClearFilter, &rpc.None{})
	g.do(rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "x", Volgroup: "vg", Mbytes: 4})
	want(t, "lvs", g.list(rpc.ProcLvs), []string{"/dev/vg/x"})
}

// TestMdCreate makes arrays.
func TestMdCreate(t *testing.T) {
	needKernel(t)
	testimg.Need(t, "mdadm", "mkfs.ext4")
	var disks []Drive
	for range 5 {
		disks = append(disks, Drive{Path: image(t, 48)})
	}
	c := connect(t, disks...)
	needPrograms(t, c)
	g := guest{t, c}
	g.do(rpc.ProcMdCreate, &rpc.MdCreateArgs{Name: "r1", Devices: []string{"/dev/sda", "/dev/sdb"}})
	g.do(rpc.ProcMdCreate, &rpc.MdCreateArgs{Name: "r5", Devices: []string{"/dev/sdc", "/dev/sdd", "/dev/sde"}, Level: rpc.Some("raid5"), Chunk: rpc.Some(int64(65536))})
	arrays := g.list(rpc.ProcListMdDevices)
	if len(arrays) != 2 {
		t.Fatalf("%q", arrays)
	}
	levels := map[string]bool{}
	for _, array := range arrays {
		g.do(rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: array})
		g.do(rpc.ProcMount, &rpc.MountArgs{Mountable: array, Mountpoint: "/"})
		g.do(rpc.ProcInternalWrite, &rpc.InternalWriteArgs{Path: "/file", Content: []byte("kept\n")})
		g.do(rpc.ProcUmountAll, &rpc.None{})
		var pairs []rpc.Pair
		if err := invoke(c, rpc.ProcMdDetail, &rpc.MdDetailArgs{Md: array}, func(x *xdr.Codec) { rpc.CodePairs(x, &pairs) }); err != nil {
			t.Error(err)
		}
		for _, p := range pairs {
			if p.Key == "level" {
				levels[p.Value] = true
			}
		}
		g.do(rpc.ProcMdStop, &rpc.MdStopArgs{Md: array})
	}
	if !levels["raid1"] || !levels["raid5"] {
		t.Errorf("%v", levels)
	}
	wantError(t, c, rpc.ProcMdCreate, &rpc.MdCreateArgs{Name: "x", Devices: []string{"/dev/sda"}}, "number of devices must be at least 2")
}

func TestMdCreateArgs(t *testing.T) {
	devices := []string{"/dev/sda", "/dev/sdb"}
	for _, c := range []struct {
		a    rpc.MdCreateArgs
		want string // "" for an error
	}{
		{rpc.MdCreateArgs{Name: "x", Devices: devices}, "--create --run --level raid1 --raid-devices 2 x /dev/sda /dev/sdb"},
		{rpc.MdCreateArgs{Name: "x", Devices: devices, Missingbitmap: rpc.Some(int64(1))}, "--create --run --level raid1 --raid-devices 3 x missing /dev/sda /dev/sdb"},
		{rpc.MdCreateArgs{Name: "x", Devices: devices, Missingbitmap: rpc.Some(int64(2)), Level: rpc.Some("5")},
			"--create --run --level 5 --raid-devices 3 --force x /dev/sda missing /dev/sdb"},
		{rpc.MdCreateArgs{Name: "x", Devices: append(devices, "/dev/sdc"), Spare: rpc.Some(1)},
			"--create --run --level raid1 --raid-devices 2 --spare-devices 1 x /dev/sda /dev/sdb /dev/sdc"},
		{rpc.MdCreateArgs{Name: "x", Devices: devices, Nrdevices: rpc.Some(3)}, ""},
		{rpc.MdCreateArgs{Name: "x", Devices: devices, Spare: rpc.Some(-1)}, ""},
		{rpc.MdCreateArgs{Name: "x", Devices: devices, Chunk: rpc.Some(int64(1000))}, ""},
		{rpc.MdCreateArgs{Name: "x", Devices: devices, Level: rpc.Some("--help")}, ""},
		{rpc.MdCreateArgs{Name: "x", Devices: nil, Missingbitmap: rpc.Some(int64(-1))}, ""},
	} {
		got, err := mdCreateArgs(&c.a)
		if strings.Join(got, " ") != c.want || (err == nil) == (c.want == "") {
			t.Errorf("%+v: %q, %v", c.a, got, err)
		}
	}
}

// TestLVMAgain makes volumes with the names of some that were deactivated and are gone.
func TestLVMAgain(t *testing.T) {
	g := lvmOf(t)
	for range 2 {
		g.do(rpc.ProcPvcreate, &rpc.PvcreateArgs{Device: "/dev/sda"})
		g.do(rpc.ProcVgcreate, &rpc.VgcreateArgs{Volgroup: "vg", Physvols: []string{"/dev/sda"}})
		g.do(rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "lv", Volgroup: "vg", Mbytes: 40})
		g.do(rpc.ProcMkfs, &rpc.MkfsArgs{Fstype: "ext4", Device: "/dev/vg/lv"})
		g.do(rpc.ProcLvremove, &rpc.LvremoveArgs{Device: "/dev/vg"}) // all of the group's
		g.do(rpc.ProcLvcreate, &rpc.LvcreateArgs{Logvol: "lv", Volgroup: "vg", Mbytes: 8})
		g.do(rpc.ProcLvmRemoveAll, &rpc.None{})
		want(t, "lvs", g.list(rpc.ProcLvs), nil)
	}
}
