package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/guestfs/internal/protocol"
	"github.com/unboot/unboot/guestfs/internal/rpc"
	"github.com/unboot/unboot/guestfs/internal/xdr"
	"github.com/unboot/unboot/internal/testvol"
)

// fixture returns a client of a server for the disks of a fixture.
func fixture(t *testing.T, names ...string) *protocol.Client {
	t.Helper()
	needKernel(t)
	var disks []Drive
	for _, name := range names {
		for _, path := range testvol.Unpack(t, name) {
			disks = append(disks, Drive{Path: path, Format: "raw", ReadOnly: true})
		}
	}
	return connect(t, disks...)
}

// structs makes a call whose result is a list of structures.
func structs[S any, P interface {
	*S
	xdr.Coder
}](t *testing.T, c *protocol.Client, proc uint32, a rpc.Args) (list []S) {
	t.Helper()
	err := invoke(c, proc, a, func(x *xdr.Codec) { xdr.List[S, P](x, &list, 1) })
	if err != nil {
		t.Errorf("%s: %v", rpc.Lookup(proc).Name, err)
	}
	return list
}

// percent is how a report prints a percentage.
func percent(v float32) string {
	if v < 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", v)
}

// wantRow compares the columns of a report that the tools have printed with those that are got.
func wantRow(t *testing.T, what string, want map[string]string, got map[string]any) {
	t.Helper()
	if want == nil {
		t.Errorf("%s was not recorded", what)
		return
	}
	for column, value := range got {
		w := want[column]
		if strings.HasSuffix(column, "_uuid") {
			w = strings.ReplaceAll(w, "-", "")
		}
		if fmt.Sprint(value) != w {
			t.Errorf("%s: %s is %q, and should be %q", what, column, fmt.Sprint(value), w)
		}
	}
}

// TestLVMReports compares the full lists with what lvs, vgs and pvs printed when the fixtures
// were made.
func TestLVMReports(t *testing.T) {
	for _, name := range []string{"lvm-linear", "lvm-names", "lvm-raid", "lvm-snapshot", "lvm-thin", "lvm-cache"} {
		t.Run(name, func(t *testing.T) {
			c := fixture(t, name)
			rows := map[string]map[string]string{}
			for _, r := range testvol.Rows(t, name, "lvs.json") {
				if !strings.HasPrefix(r["lv_name"], "[") {
					rows[r["lv_name"]] = r
				}
			}
			for _, lv := range structs[rpc.LvmLv](t, c, rpc.ProcLvsFull, &rpc.None{}) {
				got := map[string]any{
					"lv_uuid": string(lv.LvUuid[:]), "lv_size": lv.LvSize, "lv_major": lv.LvMajor, "lv_minor": lv.LvMinor,
					"seg_count": lv.SegCount, "origin": lv.Origin, "move_pv": lv.MovePv, "lv_tags": lv.LvTags,
					"mirror_log": lv.MirrorLog, "lv_modules": lv.Modules,
				}
				// What the group's maker had not activated is open here.
				if active := rows[lv.LvName]["lv_active"] == "active"; active && lv.LvKernelMajor > 0 {
					got["lv_attr"], got["snap_percent"] = lv.LvAttr, percent(lv.SnapPercent)
					if lv.CopyPercent >= 0 || rows[lv.LvName]["copy_percent"] == "" {
						got["copy_percent"] = percent(lv.CopyPercent)
					}
				}
				wantRow(t, lv.LvName, rows[lv.LvName], got)
				delete(rows, lv.LvName)
			}
			for name := range rows {
				t.Errorf("%s is not listed", name)
			}
			vgs := structs[rpc.LvmVg](t, c, rpc.ProcVgsFull, &rpc.None{})
			if len(vgs) != 1 {
				t.Fatalf("%d groups", len(vgs))
			}
			vg := vgs[0]
			wantRow(t, vg.VgName, testvol.Rows(t, name, "vgs.json")[0], map[string]any{
				"vg_name": vg.VgName, "vg_uuid": string(vg.VgUuid[:]), "vg_fmt": vg.VgFmt, "vg_attr": vg.VgAttr, "vg_size": vg.VgSize,
				"vg_free": vg.VgFree, "vg_extent_size": vg.VgExtentSize, "vg_extent_count": vg.VgExtentCount,
				"vg_free_count": vg.VgFreeCount, "max_lv": vg.MaxLv, "max_pv": vg.MaxPv, "pv_count": vg.PvCount,
				"lv_count": vg.LvCount, "snap_count": vg.SnapCount, "vg_seqno": vg.VgSeqno, "vg_tags": vg.VgTags,
				"vg_mda_count": vg.VgMdaCount, "vg_mda_free": vg.VgMdaFree,
			})
			pvs := map[string]map[string]string{}
			for _, r := range testvol.Rows(t, name, "pvs.json") {
				pvs[r["pv_name"]] = r
			}
			for _, pv := range structs[rpc.LvmPv](t, c, rpc.ProcPvsFull, &rpc.None{}) {
				wantRow(t, pv.PvName, pvs[pv.PvName], map[string]any{
					"pv_uuid": string(pv.PvUuid[:]), "dev_size": pv.DevSize, "pv_size": pv.PvSize, "pv_free": pv.PvFree,
					"pv_used": pv.PvUsed, "pv_attr": pv.PvAttr, "pv_pe_count": pv.PvPeCount, "pv_pe_alloc_count": pv.PvPeAllocCount,
					"pv_tags": pv.PvTags, "pe_start": pv.PeStart, "pv_mda_count": pv.PvMdaCount, "pv_mda_free": pv.PvMdaFree,
				})
				delete(pvs, pv.PvName)
			}
			if len(pvs) > 0 {
				t.Errorf("%d physical volumes are not listed", len(pvs))
			}
		})
	}
}

// words makes a call whose result is a list of strings, and returns it as one.
func words(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args) string {
	t.Helper()
	var v []string
	if err := invoke(c, proc, a, func(x *xdr.Codec) { x.Strings(&v) }); err != nil {
		t.Errorf("%s %+v: %v", rpc.Lookup(proc).Name, a, err)
	}
	return strings.Join(v, " ")
}

func wantWords(t *testing.T, c *protocol.Client, proc uint32, a rpc.Args, want string) {
	t.Helper()
	if got := words(t, c, proc, a); got != want {
		t.Errorf("%s %+v: %q, and should be %q", rpc.Lookup(proc).Name, a, got, want)
	}
}

// TestLVM has the names and UUIDs of what is on the disks, and the text of the metadata.
func TestLVM(t *testing.T) {
	c := fixture(t, "lvm-linear")
	wantWords(t, c, rpc.ProcPvs, &rpc.None{}, "/dev/sda2 /dev/sdb2")
	wantWords(t, c, rpc.ProcVgs, &rpc.None{}, "vg0")
	wantWords(t, c, rpc.ProcLvs, &rpc.None{}, "/dev/vg0/root /dev/vg0/span /dev/vg0/striped /dev/vg0/swap")
	wantWords(t, c, rpc.ProcListDmDevices, &rpc.None{}, "")
	var lvs, pvs []string
	for _, r := range testvol.Rows(t, "lvm-linear", "lvs.json") {
		lvs = append(lvs, r["lv_uuid"])
		for _, name := range []string{r["lv_path"], r["lv_dm_path"]} {
			wantText(t, c, rpc.ProcLvuuid, &rpc.LvuuidArgs{Device: name}, r["lv_uuid"])
			wantText(t, c, rpc.ProcLvmCanonicalLvName, &rpc.LvmCanonicalLvNameArgs{Lvname: name}, r["lv_path"])
			wantNumber(t, c, rpc.ProcIsLv, &rpc.IsLvArgs{Mountable: name}, 1)
			if size, err := strconv.ParseInt(r["lv_size"], 10, 64); err == nil {
				wantNumber(t, c, rpc.ProcBlockdevGetsize64, &rpc.BlockdevGetsize64Args{Device: name}, size)
			}
		}
	}
	for _, r := range testvol.Rows(t, "lvm-linear", "pvs.json") {
		pvs = append(pvs, r["pv_uuid"])
		wantText(t, c, rpc.ProcPvuuid, &rpc.PvuuidArgs{Device: r["pv_name"]}, r["pv_uuid"])
	}
	vg := testvol.Rows(t, "lvm-linear", "vgs.json")[0]
	wantText(t, c, rpc.ProcVguuid, &rpc.VguuidArgs{Vgname: "vg0"}, vg["vg_uuid"])
	wantWords(t, c, rpc.ProcVgpvuuids, &rpc.VgpvuuidsArgs{Vgname: "vg0"}, strings.Join(pvs, " "))
	got := strings.Fields(words(t, c, rpc.ProcVglvuuids, &rpc.VglvuuidsArgs{Vgname: "vg0"}))
	slices.Sort(got)
	slices.Sort(lvs)
	if !slices.Equal(got, lvs) {
		t.Errorf("vglvuuids: %q, and should be %q", got, lvs)
	}
	var meta []byte
	err := invoke(c, rpc.ProcVgmeta, &rpc.VgmetaArgs{Vgname: "vg0"}, func(x *xdr.Codec) { x.Bytes(&meta) })
	if err != nil || !strings.HasPrefix(string(meta), "vg0 {\n") || !strings.Contains(string(meta), vg["vg_uuid"]) {
		t.Errorf("vgmeta: %q, %v", meta, err)
	}
	none := `   Volume group "none" not found\n  Cannot process volume group none`
	wantError(t, c, rpc.ProcVguuid, &rpc.VguuidArgs{Vgname: "none"}, "none:"+none)
	wantError(t, c, rpc.ProcVgmeta, &rpc.VgmetaArgs{Vgname: "none"}, "none:"+none)
	wantError(t, c, rpc.ProcVgActivate, &rpc.VgActivateArgs{Volgroups: []string{"none"}}, "vgchange:"+none)
	wantError(t, c, rpc.ProcPvuuid, &rpc.PvuuidArgs{Device: "/dev/sda1"}, `/dev/sda1:   No physical volume label read from /dev/sda1.`)
	wantError(t, c, rpc.ProcLvmCanonicalLvName, &rpc.LvmCanonicalLvNameArgs{Lvname: "/dev/sda1"}, "/dev/sda1: not a logical volume")
	wantNumber(t, c, rpc.ProcIsLv, &rpc.IsLvArgs{Mountable: "/dev/sda1"}, 0)
}

// TestVGActivate stops a group and starts it, by its name and by a filter.
func TestVGActivate(t *testing.T) {
	c := fixture(t, "lvm-linear", "lvm-snapshot")
	fileSystems := func(root, orig string) {
		t.Helper()
		got, err := hashtable(c, rpc.ProcListFilesystems, &rpc.None{})
		for device, want := range map[string]string{"/dev/vg0/root": root, "/dev/vgs/orig": orig} {
			if line := device + ": " + want + "\n"; err != nil || want == "" && strings.Contains(got, device) || want != "" && !strings.Contains(got, line) {
				t.Errorf("%s is not %q, %v:\n%s", device, want, err, got)
			}
		}
	}
	fileSystems("ext4", "ext4")
	wantOK(t, c, rpc.ProcMountRo, &rpc.MountRoArgs{Mountable: "/dev/mapper/vg0-root", Mountpoint: "/"})
	wantError(t, c, rpc.ProcVgActivate, &rpc.VgActivateArgs{Volgroups: []string{"vg0"}}, "vgchange: .*: /dev/vg0/root is mounted.*")
	for _, lv := range structs[rpc.LvmLv](t, c, rpc.ProcLvsFull, &rpc.None{}) {
		if used := lv.LvAttr[5] == 'o'; used != (lv.LvName == "root") {
			t.Errorf("%s: %s", lv.LvName, lv.LvAttr)
		}
	}
	wantOK(t, c, rpc.ProcUmount, &rpc.UmountArgs{Pathordevice: "/dev/vg0/root"})
	wantOK(t, c, rpc.ProcVgActivate, &rpc.VgActivateArgs{Volgroups: []string{"vg0"}})
	fileSystems("unknown", "ext4")
	wantOK(t, c, rpc.ProcVgscan, &rpc.None{})
	fileSystems("unknown", "ext4")
	wantOK(t, c, rpc.ProcLvmScan, &rpc.LvmScanArgs{Activate: true})
	fileSystems("ext4", "ext4")
	wantOK(t, c, rpc.ProcLvmSetFilter, &rpc.LvmSetFilterArgs{Devices: []string{"/dev/vdc"}})
	fileSystems("", "ext4")
	wantWords(t, c, rpc.ProcVgs, &rpc.None{}, "vgs")
	wantOK(t, c, rpc.ProcLvmSetFilter, &rpc.LvmSetFilterArgs{Devices: []string{"/dev/sda", "/dev/sdb2"}})
	fileSystems("ext4", "")
	wantOK(t, c, rpc.ProcLvmClearFilter, &rpc.None{})
	fileSystems("ext4", "ext4")
	wantOK(t, c, rpc.ProcVgActivateAll, &rpc.VgActivateAllArgs{})
	fileSystems("unknown", "unknown")
	wantOK(t, c, rpc.ProcVgActivateAll, &rpc.VgActivateAllArgs{Activate: true})
	fileSystems("ext4", "ext4")
}
