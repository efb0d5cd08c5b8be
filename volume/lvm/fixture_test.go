package lvm

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/internal/testvol"
	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/part"
	"github.com/unboot/unboot/volume/probe"
)

// fixture returns the physical volumes on the disks of a fixture, named as in its record.
func fixture(t *testing.T, name string) (list []*volume.Member) {
	t.Helper()
	add := func(m *volume.Member) bool {
		info, err := probe.Probe(m.R, m.Size)
		if err != nil {
			t.Fatal(err)
		}
		m.Info, m.SectorSize = info, 512
		if info == nil || info.Type != memberType {
			return false
		}
		list = append(list, m)
		return true
	}
	for i, path := range testvol.Unpack(t, name) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		disk := "sd" + string(rune('a'+i))
		if add(&volume.Member{R: f, Size: st.Size(), Name: disk, Disk: true}) {
			continue
		}
		table, err := part.Read(f, st.Size(), 512)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range table.Partitions {
			add(&volume.Member{R: io.NewSectionReader(f, p.Start, p.Size), Size: p.Size, Name: disk + strconv.Itoa(p.Number)})
		}
	}
	return list
}

var fixtures = []string{"lvm-linear", "lvm-names", "lvm-raid", "lvm-partial", "lvm-snapshot", "lvm-thin",
	"lvm-cache", "lvm-exported", "lvm-foreign", "lvm-ring", "lvm-nested"}

// differences are those that the package's comment names: how LVM's line is to read here.
var differences = []struct {
	lvm  *regexp.Regexp
	here string
}{
	// A mirror does not synchronize, and does not wait for a daemon that handles errors.
	{regexp.MustCompile(`mirror (core 1|disk 2 \S+) (\d+) (\d+ .*) 1 handle_errors$`), "mirror core 2 $2 nosync $3"},
	// The kernel prints these arguments in an order of its own, with its defaults, and without
	// the first. That it was still computing was LVM's wish at first, and is in its own superblock.
	{regexp.MustCompile(`integrity (\S+ \d+ \d+ \S+) \d+ (meta_device:\S+) recalculate .*(internal_hash:\S+)$`), "integrity $1 4 fix_padding block_size:512 $3 $2"},
	// LVM 2.03.16 does not find the policy of a cache in one volume; to the kernel mq is smq.
	{regexp.MustCompile(`(cache <\S+_cvol-cmeta> .*) mq 0$`), "$1 smq 0"},
}

// TestRecordedTables compares the plans with what LVM loaded, and the UUIDs of the devices.
func TestRecordedTables(t *testing.T) {
	for _, name := range fixtures {
		t.Run(name, func(t *testing.T) {
			want := testvol.Table(t, name)
			if name == "lvm-partial" { // see TestRecordedPartial
				t.Skip("the physical volumes are not all there")
			}
			volumes := Type.Open(context.Background(), fixture(t, name), &volume.Env{})
			uuids := map[string]string{}
			for line := range strings.Lines(testvol.Record(t, name, "uuids.txt")) {
				if f := strings.Fields(line); len(f) > 1 {
					uuids[f[0]] = f[1] + strings.TrimPrefix(f[len(f)-1], "L--")
				}
			}
			for _, v := range volumes {
				if name == "lvm-exported" {
					if v.Usable() || len(v.Bases) != 1 {
						t.Errorf("%s is open", v.Name)
					}
					continue
				}
				if len(v.Problems) > 0 {
					t.Errorf("%s: %q", v.Name, v.Problems)
				}
				if _, recorded := want[v.Name]; !recorded && v.Info.(*LV).Has("ACTIVATION_SKIP") {
					continue // LVM did not activate it
				}
				if got, want := lines(v), here(want[v.Name]); got != want {
					t.Errorf("%s\ngot  %s\nwant %s", v.Name, got, want)
				}
				mode := "w"
				if v.ReadOnly {
					mode = "r"
				}
				if got := v.UUID + mode; got != uuids[v.Name] {
					t.Errorf("%s\ngot  %s\nwant %s", v.Name, got, uuids[v.Name])
				}
				delete(want, v.Name)
			}
			for device := range want {
				if strings.HasPrefix(device, "inner-") || strings.HasSuffix(device, "_mlog") || name == "lvm-exported" {
					continue // on a volume of this group; not used; not opened
				}
				t.Errorf("%s is not planned", device)
			}
		})
	}
}

// lines returns the table of a volume in the form of a fixture's record.
func lines(v *volume.Volume) string {
	var list []string
	for _, l := range v.Table {
		list = append(list, strings.TrimSpace(l.Line(func(b volume.Base) string { return "<" + baseName(b) + ">" })))
	}
	return strings.Join(list, "\n")
}

// here returns LVM's lines as this package is to make them.
func here(lines string) string {
	list := strings.Split(lines, "\n")
	for i := range list {
		for _, d := range differences {
			list[i] = d.lvm.ReplaceAllString(list[i], d.here)
		}
	}
	return strings.Join(list, "\n")
}

// TestRecordedPartial holds that without its third disk the group has what LVM's degraded
// mode has, and the half of a mirror that is there.
func TestRecordedPartial(t *testing.T) {
	volumes := Type.Open(context.Background(), fixture(t, "lvm-partial"), &volume.Env{})
	degraded := testvol.ParseTable(testvol.Record(t, "lvm-partial", "table-degraded.txt"))
	var open []string
	for _, v := range volumes {
		if v.Usable() && !v.Hidden {
			open = append(open, v.Name)
		} else if !v.Hidden && !strings.Contains(v.Problems[0], "is missing") {
			t.Errorf("%s: %q", v.Name, v.Problems)
		}
	}
	slices.Sort(open)
	want := []string{"vgp-mirror"}
	for device := range degraded {
		if !strings.Contains(device, "_r") && !strings.Contains(device, "-missing") {
			want = append(want, device)
		}
	}
	slices.Sort(want)
	if !slices.Equal(open, want) {
		t.Errorf("%q are open, and should be %q", open, want)
	}
	for name, want := range map[string]string{
		"vgp-raid1":  "0 10240 raid raid1 3 0 region_size 4096 2 <vgp-raid1_rmeta_0> <vgp-raid1_rimage_0> - -",
		"vgp-raid5":  "0 12288 raid raid5_ls 3 64 region_size 4096 3 <vgp-raid5_rmeta_0> <vgp-raid5_rimage_0> <vgp-raid5_rmeta_1> <vgp-raid5_rimage_1> - -",
		"vgp-mirror": "0 10240 linear <vgp-mirror_mimage_0> 0",
		"vgp-here":   degraded["vgp-here"],
	} {
		if got := lines(find(t, volumes, name)); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, want)
		}
	}
}

// TestReports compares what the metadata says with what lvs, vgs and pvs print. The reports of
// two groups are from before they were exported, and given to another host.
func TestReports(t *testing.T) {
	for _, name := range fixtures {
		if name == "lvm-exported" || name == "lvm-foreign" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			list := fixture(t, name)
			l := Read(context.Background(), list)
			rows := map[string]map[string]string{}
			for _, r := range testvol.Rows(t, name, "lvs.json") {
				r["lv_role"], _, _ = strings.Cut(r["lv_role"], ",")
				rows[r["vg_name"]+"/"+bare(r["lv_name"])] = r
			}
			for _, vg := range l.VGs {
				for _, lv := range vg.LVs {
					compare(t, vg.Name+"/"+lv.Name, rows[vg.Name+"/"+lv.Name], lvRow(lv, rows[vg.Name+"/"+lv.Name]["lv_attr"]))
					delete(rows, vg.Name+"/"+lv.Name)
				}
			}
			for name := range rows {
				if !strings.HasPrefix(name, "inner/") {
					t.Errorf("%s is not there", name)
				}
			}
			for _, r := range testvol.Rows(t, name, "vgs.json") {
				for _, vg := range l.VGs {
					if vg.Name == r["vg_name"] && name != "lvm-partial" {
						compare(t, vg.Name, r, vgRow(vg))
					}
				}
			}
			for _, r := range testvol.Rows(t, name, "pvs.json") {
				for _, pv := range l.PVs {
					if pv.UUID == r["pv_uuid"] {
						compare(t, pv.Device, r, pvRow(pv))
					}
				}
			}
		})
	}
}

// TestPvck compares the text with what pvck finds on the disks, also where it goes round in its
// ring, and on the disks of other projects.
func TestPvck(t *testing.T) {
	testimg.NeedRoot(t) // for its lock
	testimg.Need(t, "pvck", "xz")
	disks := map[string]string{}
	for _, name := range []string{"lvm-ring", "lvm-names", "lvm-raid", "lvm-thin", "lvm-foreign"} {
		disks[name] = testvol.Unpack(t, name)[0]
	}
	others, _ := filepath.Glob("../../../shared/cases/files/fox-it.dissect.volume-lvm-*.xz")
	for _, packed := range others {
		name := filepath.Base(packed)
		disks[name] = filepath.Join(t.TempDir(), "disk")
		testimg.MustRun(t, "sh", "-c", "xz -dc "+packed+" >"+disks[name])
	}
	for name, path := range disks {
		out, err := exec.Command("pvck", "--config", "global{locking_type=0} devices{use_devicesfile=0}", "--dump", "metadata", path).Output()
		if err != nil {
			t.Errorf("%s: pvck: %v", name, err)
			continue
		}
		_, text, _ := strings.Cut(string(out), "---\n")
		text, _, _ = strings.Cut(text, "\n  ---")
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		st, _ := f.Stat()
		l := Read(context.Background(), []*volume.Member{{R: f, Size: st.Size(), Name: name}})
		f.Close()
		if len(l.VGs) != 1 || strings.TrimSpace(strings.TrimRight(l.VGs[0].Text, "\x00")) != strings.TrimSpace(text) {
			t.Errorf("%s: %d groups, and not the text of %d bytes", name, len(l.VGs), len(text))
		}
	}
}

// bare takes the brackets off a name, which show that a volume is hidden.
func bare(name string) string { return strings.Trim(name, "[]") }

func compare(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	for column, value := range got {
		if want[column] != value {
			t.Errorf("%s: %s is %q, and should be %q", what, column, value, want[column])
		}
	}
}

// lvRow returns the columns of lvs. Whether the volume was active and open is taken from the
// record.
func lvRow(lv *LV, attr string) map[string]string {
	shown := func(lv *LV) string {
		switch {
		case lv == nil:
			return ""
		case lv.Visible():
			return lv.Name
		}
		return "[" + lv.Name + "]"
	}
	active := len(attr) == 10 && attr[4] == 'a'
	got := lv.Attr(active, len(attr) == 10 && attr[5] == 'o')
	if lv.Partial && len(attr) == 10 {
		got = got[:8] + attr[8:9] + got[9:] // the report was made before the disk was lost
	}
	role := "private"
	if lv.Public() {
		role = "public"
	}
	tags := slices.Sorted(slices.Values(lv.Tags))
	row := map[string]string{
		"lv_name": shown(lv), "lv_uuid": lv.UUID, "lv_attr": got, "lv_size": fmt.Sprint(lv.Size),
		"origin": shown(lv.Origin()), "mirror_log": shown(lv.Log()), "lv_modules": strings.Join(lv.Modules(), ","),
		"lv_tags": strings.Join(tags, ","), "lv_major": fmt.Sprint(lv.Major), "lv_minor": fmt.Sprint(lv.Minor),
		"seg_count": fmt.Sprint(len(lv.Segments)), "move_pv": "", "lv_role": role,
	}
	return row
}

func vgRow(vg *VG) map[string]string {
	volumes, snapshots := vg.Counts()
	areas, free := vg.MetadataFree()
	return map[string]string{
		"vg_name": vg.Name, "vg_uuid": vg.UUID, "vg_fmt": vg.Format, "vg_attr": vg.Attr(), "vg_seqno": fmt.Sprint(vg.SeqNo),
		"vg_size": fmt.Sprint(vg.Total() * vg.ExtentSize), "vg_free": fmt.Sprint(vg.Free() * vg.ExtentSize),
		"vg_extent_size": fmt.Sprint(vg.ExtentSize), "vg_extent_count": fmt.Sprint(vg.Total()), "vg_free_count": fmt.Sprint(vg.Free()),
		"max_lv": fmt.Sprint(vg.MaxLV), "max_pv": fmt.Sprint(vg.MaxPV), "pv_count": fmt.Sprint(len(vg.PVs)),
		"lv_count": fmt.Sprint(volumes), "snap_count": fmt.Sprint(snapshots), "vg_systemid": vg.SystemID,
		"vg_tags": strings.Join(slices.Sorted(slices.Values(vg.Tags)), ","), "vg_mda_count": fmt.Sprint(areas), "vg_mda_free": fmt.Sprint(free),
	}
}

func pvRow(pv *PV) map[string]string {
	size, free := pv.Usable()
	return map[string]string{
		"pv_name": "/dev/" + pv.Device, "pv_attr": pv.Attr(), "dev_size": fmt.Sprint(pv.Member.Size), "pv_size": fmt.Sprint(size),
		"pv_free": fmt.Sprint(free), "pv_used": fmt.Sprint(size - free), "pv_pe_count": fmt.Sprint(pv.Extents),
		"pv_pe_alloc_count": fmt.Sprint(pv.Allocated), "pe_start": fmt.Sprint(pv.Start), "pv_mda_count": fmt.Sprint(len(pv.Areas)),
		"pv_mda_free": fmt.Sprint(pv.MetadataFree()), "pv_tags": strings.Join(slices.Sorted(slices.Values(pv.Tags)), ","),
	}
}
