package lvm

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// What is left of a group whose physical volumes are not all there.
func TestPartial(t *testing.T) {
	var lvs []string
	lvs = append(lvs, raidLVs("one", "raid1", 2, 2, 2, 0, "device_count = 2", "region_size = 1024")...)
	lvs = append(lvs, raidLVs("five", "raid5_ls", 4, 3, 2, 10, "device_count = 3", "stripe_size = 128", "region_size = 1024")...)
	lvs = append(lvs, raidLVs("ten", "raid10", 4, 4, 2, 20, "device_count = 4", "stripe_size = 128", "region_size = 1024")...)
	lvs = append(lvs,
		lvText("zero", seg(0, 4, "raid0", "stripe_count = 2", "stripe_size = 128", `raid0_lvs = ["zero_rimage_0", "zero_rimage_1"]`)),
		lvText("-zero_rimage_0", linear(0, 2, "pv0", 30)), lvText("-zero_rimage_1", linear(0, 2, "pv1", 30)),
		lvText("there", linear(0, 2, "pv0", 40)), lvText("half", linear(0, 2, "pv0", 50), linear(2, 2, "pv1", 50)),
		lvText("mirror", seg(0, 2, "mirror", "mirror_count = 2", "region_size = 1024", `mirrors = ["mirror_mimage_0", 0, "mirror_mimage_1", 0]`)),
		lvText("-mirror_mimage_0", linear(0, 2, "pv1", 60)), lvText("-mirror_mimage_1", linear(0, 2, "pv0", 60)),
		lvText("thin", seg(0, 20, "thin", `thin_pool = "pool"`, "device_id = 1", "transaction_id = 0")),
		lvText("pool", seg(0, 2, "thin-pool", `metadata = "pool_tmeta"`, `pool = "pool_tdata"`, "transaction_id = 2", "chunk_size = 128")),
		lvText("-pool_tmeta", linear(0, 1, "pv0", 70)), lvText("-pool_tdata", linear(0, 2, "pv1", 70)))
	all := members(vgText("vg", 1, "", fivePVs, lvs...), fivePVs...)
	const lost = "physical volume pv1 (pv1000-0000-0000-0000-0000-0000-000000) is missing; it was /dev/old-pv1\n"
	for _, test := range []struct {
		name    string
		without []int
		want    string
	}{
		{"one", []int{1}, `
vg-one
  0 4096 raid raid1 3 0 region_size 1024 2 vg-one_rmeta_0 vg-one_rimage_0 - -
  ! degraded: image 1 is missing: one_rimage_1: ` + lost + `
vg-five
  0 8192 raid raid5_ls 3 128 region_size 1024 3 vg-five_rmeta_0 vg-five_rimage_0 - - vg-five_rmeta_2 vg-five_rimage_2
  ! degraded: image 1 is missing: five_rimage_1: ` + lost + `
vg-ten
  0 8192 raid raid10 5 128 region_size 1024 raid10_copies 2 4 vg-ten_rmeta_0 vg-ten_rimage_0 - - vg-ten_rmeta_2 vg-ten_rimage_2 vg-ten_rmeta_3 vg-ten_rimage_3
  ! degraded: image 1 is missing: ten_rimage_1: ` + lost + `
vg-zero
  ! too many images are missing: image 1 is missing: zero_rimage_1: ` + lost + `
vg-there
  0 4096 linear /dev/pv0 83968
vg-half
  ! ` + lost + `
vg-mirror
  0 4096 linear vg-mirror_mimage_1 0
  ! a leg of the mirror is missing: mirror_mimage_0: ` + lost + `
vg-thin
  ! pool: pool_tdata: ` + lost + `
vg-pool hidden read-only
  ! pool: pool_tdata: ` + lost},
		{"both of a row", []int{0, 1}, "vg-ten\n  ! too many images are missing:"},
		{"one of each row", []int{1, 3}, "vg-ten\n  0 8192 raid raid10 5 128 region_size 1024 raid10_copies 2 4 vg-ten_rmeta_0 vg-ten_rimage_0 - - vg-ten_rmeta_2 vg-ten_rimage_2 - -\n"},
		{"all of a mirror", []int{0, 1}, "vg-one\n  ! too many images are missing:"},
		{"two of five", []int{1, 2}, "vg-five\n  ! too many images are missing:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var some []*volume.Member
			for i, m := range all {
				if len(test.without) < 1 || i != test.without[0] && i != test.without[len(test.without)-1] {
					some = append(some, m)
				}
			}
			volumes, got := plan(t, some)
			for _, want := range devices(strings.TrimPrefix(strings.ReplaceAll(test.want, "\n\n", "\n"), "\n")) {
				if !strings.Contains("\n"+got, "\n"+want) {
					t.Errorf("got\n%s\nwant\n%s", got, want)
				}
			}
			for _, v := range volumes {
				if v.Hidden && !v.Usable() && len(v.Problems) == 0 {
					t.Errorf("%s is not used", v.Name)
				}
			}
		})
	}
}

// Rules of groups as a whole.
func TestGroups(t *testing.T) {
	root := lvText("root", linear(0, 2, "pv0", 0))
	text := vgText("vg", 5, "", []string{"pv0"}, root)
	usable := "vg-root\n  0 4096 linear /dev/sda 2048\n"
	sda := func(text string) *volume.Member { return member("/dev/sda", disk("pv0", text, 1024)) }
	for _, test := range []struct {
		name    string
		members []*volume.Member
		want    string // of the volumes
		problem string // of the last member
	}{
		{"alone", []*volume.Member{sda(text)}, usable, ""},
		{"the text goes round", []*volume.Member{member("/dev/sda", disk("pv0", text, 64<<10-512))}, usable, ""},
		{"another host's", []*volume.Member{sda(vgText("vg", 5, "system_id = \"other\"\nlock_type = \"sanlock\"", []string{"pv0"}, root))}, usable, ""},
		{"exported", []*volume.Member{sda(vgText("vg", 5, `status = ["RESIZEABLE", "READ", "WRITE", "EXPORTED"]`, []string{"pv0"}, root))},
			"vg-root\n  ! group vg is exported: vgimport(8) makes it available\n", ""},
		{"copies", []*volume.Member{sda(text), member("/dev/sdb", disk("pv0", text, 1024))},
			"vg-root\n  ! physical volume pv0000-0000-0000-0000-0000-0000-000000 is there 2 times (/dev/sda, /dev/sdb): give one of the copies alone\n",
			"2 devices have the UUID pv0000-0000-0000-0000-0000-0000-000000 of a physical volume"},
		{"orphan", []*volume.Member{member("/dev/sdb", disk("pv9", "", 0))}, "", "it is in a group whose metadata was not found"},
		{"older", []*volume.Member{
			sda(vgText("vg", 6, "", []string{"pv0", "pv1"}, root)),
			member("/dev/sdb", disk("pv1", vgText("vg", 4, "", []string{"pv0", "pv1"}), 1024))},
			usable, "its copy of the metadata of group vg is older: 4, and the newest is 6"},
		{"taken out", []*volume.Member{sda(text), member("/dev/sdb", disk("pv1", vgText("vg", 4, "", []string{"pv0", "pv1"}), 1024))},
			usable, "group vg does not know the physical volume any more"},
		{"moved to another group", []*volume.Member{
			sda(vgText("vg", 6, "", []string{"pv0", "pv1"}, root, lvText("l", linear(0, 1, "pv1", 0)))),
			member("/dev/sdb", disk("pv1", vgText("other", 2, "", []string{"pv1"}), 1024))},
			usable + "vg-l\n  ! physical volume pv1 (pv1000-0000-0000-0000-0000-0000-000000) is missing; it was /dev/old-pv1\n", ""},
		{"without text of its own", []*volume.Member{
			sda(vgText("vg", 6, "", []string{"pv0", "pv1"}, root, lvText("l", linear(0, 1, "pv1", 0)))),
			member("/dev/sdb", disk("pv1", "", 0))},
			usable + "vg-l\n  0 2048 linear /dev/sdb 2048\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, got := plan(t, test.members)
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			last := test.members[len(test.members)-1]
			if problems := strings.Join(last.Problems, "\n"); problems != test.problem {
				t.Errorf("problems of %s: %q", last.Name, problems)
			}
		})
	}
}

func TestTwoGroupsOfOneName(t *testing.T) {
	one := vgText("v-g", 1, "", []string{"pv0"}, lvText("root", linear(0, 2, "pv0", 0)))
	two := strings.ReplaceAll(vgText("v-g", 1, "", []string{"pv1"}, lvText("root", linear(0, 2, "pv1", 0))), id("v-g"), id("second"))
	volumes, got := plan(t, []*volume.Member{member("/dev/sda", disk("pv0", one, 1024)), member("/dev/sdb", disk("pv1", two, 1024))})
	want := "v--g-root\n  0 4096 linear /dev/sda 2048\nv--g_second00000000000000000000000000-root\n  0 4096 linear /dev/sdb 2048\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if n := volumes[1].Nodes[0]; n != "/dev/v-g_second00000000000000000000000000/root" {
		t.Error(n)
	}
	if vg := volumes[1].Info.(*LV).VG; vg.Name != "v-g" || len(vg.Problems) != 1 {
		t.Errorf("%s: %q", vg.Name, vg.Problems)
	}
}

// The area with the highest sequence number counts whose checksums hold.
func TestAreas(t *testing.T) {
	newer := vgText("vg", 9, "", []string{"pv0", "pv1"}, lvText("new", linear(0, 1, "pv0", 0)))
	older := vgText("vg", 8, "", []string{"pv0", "pv1"}, lvText("old", linear(0, 1, "pv0", 0)))
	for _, test := range []struct {
		name    string
		damage  func(*image)
		want    string
		problem string
	}{
		{"whole", func(*image) {}, "vg-new", ""},
		{"text", func(d *image) { d.head[4096+1024+20] ^= 1 }, "vg-old", "the checksum of the metadata is wrong"},
		{"header", func(d *image) { d.head[4096+500] ^= 1 }, "vg-old", "the checksum of the metadata area at 4096 is wrong"},
		{"magic", func(d *image) { d.head[4100] ^= 1 }, "vg-old", "the metadata area at 4096 has no header"},
		{"place", func(d *image) { d.head[4096+25]++; d.seal() }, "vg-old", "the metadata area at 4096 says that it is at 4352"},
		{"size", func(d *image) { d.head[4096+39] = 0x7f; d.seal() }, "vg-old", "the metadata area at 4096 cannot have 9151314442816913408 bytes"},
		{"offset", func(d *image) { d.head[4096+47] = 1; d.seal() }, "vg-old", "the text of the metadata area at 4096 is outside it"},
		{"ignored", func(d *image) { d.head[4096+60] = 1; d.seal() }, "vg-old", ""},
		{"no text", func(d *image) { clear(d.head[4096+40 : 4096+64]); d.seal() }, "vg-old", ""},
		{"label", func(d *image) { d.head[700] ^= 1 }, "vg-old", "the checksum of the label in sector 1 is wrong"},
		{"place of the label", func(d *image) { d.head[520]++ }, "vg-old", "the label in sector 1 is that of another sector"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := disk("pv0", newer, 1024)
			test.damage(a)
			list := []*volume.Member{member("/dev/sda", a), member("/dev/sdb", disk("pv1", older, 1024))}
			_, got := plan(t, list)
			if name, _, _ := strings.Cut(got, "\n"); name != test.want {
				t.Errorf("got\n%s", got)
			}
			if problems := strings.Join(list[0].Problems, "\n"); problems != test.problem {
				t.Errorf("%q", problems)
			}
		})
	}
}

// Two areas on one physical volume.
func TestSecondArea(t *testing.T) {
	d := disk("pv0", vgText("vg", 3, "", []string{"pv0"}), 1024)
	second := disk("pv0", vgText("vg", 4, "", []string{"pv0"}, lvText("new", linear(0, 1, "pv0", 0))), 2048)
	area := second.head[4096:]
	binary.LittleEndian.PutUint64(area[24:], uint64(len(d.head)))
	binary.LittleEndian.PutUint32(area, crc(area[4:512]))
	le, label := binary.LittleEndian, d.head[512:1024]
	le.PutUint64(label[120:], uint64(len(d.head)))
	le.PutUint64(label[128:], 64<<10)
	clear(label[136:160])
	le.PutUint32(label[16:], crc(label[20:]))
	d.head = append(d.head, area...)
	l := Read(context.Background(), []*volume.Member{member("/dev/sda", d)})
	if len(l.VGs) != 1 || l.VGs[0].SeqNo != 4 || len(l.VGs[0].LVs) != 1 || len(l.VGs[0].PVs[0].Areas) != 2 || l.VGs[0].PVs[0].InUse {
		t.Errorf("%+v", l.VGs)
	}
	// LVM counts what is left beside a text of the size of this one.
	if a := l.VGs[0].PVs[0].Areas[0]; a.Free != (32<<10-256-512-a.text.size)/512*512 {
		t.Errorf("%d bytes are free beside %d", a.Free, a.text.size)
	}
}
