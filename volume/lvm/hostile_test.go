package lvm

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// Volumes that the metadata describes in a way that cannot be.
func TestHostile(t *testing.T) {
	for _, test := range []struct {
		name string
		lvs  []string
		want string
	}{
		{"past the last extent", []string{lvText("l", linear(0, 5, "pv0", 97))}, "l\n  ! it has extents up to 102 of physical volume pv0, which has 100\n"},
		{"gap", []string{lvText("l", linear(0, 5, "pv0", 0), linear(6, 5, "pv0", 7))}, "l\n  ! its segments leave a gap or overlap at extent 5\n"},
		{"overlap", []string{lvText("a", linear(0, 5, "pv0", 0)), lvText("b", linear(0, 5, "pv0", 4)), lvText("c", linear(0, 1, "pv0", 9))},
			"a\n  ! extents of physical volume pv0 are those of a and of b\nvg-b\n  ! extents of physical volume pv0 are those of a and of b\nvg-c\n  0 2048 linear /dev/pv0 20480\n"},
		{"circle", []string{lvText("a", seg(0, 1, "striped", `stripes = ["b", 0]`)), lvText("b", seg(0, 1, "striped", `stripes = ["a", 0]`))},
			"b\n  ! a: the volumes lie on each other in a circle\nvg-a\n  ! b: a: the volumes lie on each other in a circle\n"},
		{"itself", []string{lvText("a", seg(0, 1, "striped", `stripes = ["a", 0]`))}, "a\n  ! a: the volumes lie on each other in a circle\n"},
		{"its own snapshot", []string{lvText("a", linear(0, 1, "pv0", 0)), lvText("snapshot0", seg(0, 1, "snapshot", "chunk_size = 8", `origin = "a"`, `cow_store = "a"`))},
			"a\n  0 2048 linear /dev/pv0 2048\nvg-snapshot0\n  ! segment1: the volumes of the snapshot are not there\n"},
		{"too large", []string{lvText("l", seg(0, math.MaxUint32, "zero"), seg(math.MaxUint32, math.MaxUint32, "zero"))}, "l\n  ! 8589934590 extents are more than a volume can have\n"},
		{"beyond numbers", []string{lvText("l", "start_extent = 0\nextent_count = 99999999999999999999\ntype = \"zero\"\n")}, "l\n  ! segment1: it has no begin or no length\n"},
		{"unknown type", []string{lvText("l", seg(0, 1, "magic"))}, "l\n  ! segments of type \"magic\" are not known\n"},
		{"no such volume", []string{lvText("l", linear(0, 1, "pv7", 0))}, "l\n  ! segment1: its stripes name \"pv7\", which is not a volume\n"},
		{"stripes without a size", []string{lvText("l", seg(0, 2, "striped", `stripes = ["pv0", 0, "pv1", 0]`))}, "l\n  ! its stripes have no size\n"},
		{"stripes of unequal length", []string{lvText("l", seg(0, 3, "striped", "stripe_size = 8", `stripes = ["pv0", 0, "pv1", 0]`))}, "l\n  ! 3 extents are not a multiple of its 2 stripes\n"},
		{"a pool that is none", []string{lvText("t", seg(0, 1, "thin", `thin_pool = "l"`, "device_id = 1")), lvText("l", linear(0, 1, "pv0", 0))},
			"t\n  ! l is not a thin pool\nvg-l\n  0 2048 linear /dev/pv0 2048\n"},
		{"words for the kernel", []string{
			lvText("l", seg(0, 1, "integrity", `origin = "o"`, "data_sectors = 8", `mode = "J"`, `internal_hash = "a 0 b"`)), lvText("-o", linear(0, 1, "pv0", 0))},
			"l\n  ! \"a 0 b\" is not a setting that the kernel could have\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, got := plan(t, members(vgText("vg", 1, "", []string{"pv0", "pv1"}, test.lvs...), "pv0", "pv1")); got != "vg-"+test.want {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

// A disk that was cut off ends the volumes past its end, and no others.
func TestTruncated(t *testing.T) {
	list := members(vgText("vg", 1, "", []string{"pv0"}, lvText("a", linear(0, 5, "pv0", 0)), lvText("b", linear(0, 5, "pv0", 5))), "pv0")
	list[0].Size = 8 << 20
	_, got := plan(t, list)
	if want := "vg-a\n  0 10240 linear /dev/pv0 2048\nvg-b\n  ! it ends at 11534336 bytes of /dev/pv0, which has 8388608\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

// A hundred volumes that lie on each other are more levels than the kernel's stack has.
func TestLevels(t *testing.T) {
	lvs := []string{lvText("l000", linear(0, 1, "pv0", 0))}
	for i := range 100 {
		lvs = append(lvs, lvText(fmt.Sprintf("l%03d", i+1), seg(0, 1, "striped", fmt.Sprintf(`stripes = ["l%03d", 0]`, i))))
	}
	lvs[0], lvs[100] = lvs[100], lvs[0]
	volumes, _ := plan(t, members(vgText("vg", 1, "", []string{"pv0"}, lvs...), "pv0"))
	v := find(t, volumes, "vg-l100")
	if v.Usable() || !strings.Contains(v.Problems[0], "more than 64 devices") || len(v.Bases) != 0 {
		t.Errorf("%q, %v", v.Problems, v.Bases)
	}
}

// Text that is no metadata, or more than is read.
func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"vg {":                    "the text ends within a section",
		"vg":                      `neither a value nor a section follows "vg"`,
		"= 1":                     "a word is missing",
		"a = \"b":                 "a string has no end",
		"a = [ 1,":                "a word is missing",
		"a = [[1]]":               "a word is missing",
		strings.Repeat("a {", 20): "sections are nested too deeply",
		"a = [" + strings.Repeat("1,", 1000) + "]": "it has too many settings",
		"a = 1":                            "the metadata describes no group",
		"a/b { }":                          `the group's name "a/b" is not allowed`,
		"'..' { }":                         `the group's name ".." is not allowed`,
		"vg { id = \"x\" }":                "group vg has no UUID",
		"vg { id = \"" + id("vg") + "\" }": "group vg has no sequence number",
		"vg { id = '" + id("vg") + "' seqno = 1 }": "group vg has no size of extents",
	} {
		nodes := 1000
		if _, err := decodeVG(text, &nodes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v", text, err)
		}
	}
}

// The format of the text, with what old and new versions of LVM write.
func TestSyntax(t *testing.T) {
	nodes := maxNodes
	root, err := parseText("# comment\n1st{a=-5 b = 0x10\n c=[\"x\\\"\\\\\", bare,7 , ]\"quoted key\" = 'it' f = 1.5}# more\nempty = []\x00garbage {", &nodes)
	if err != nil {
		t.Fatal(err)
	}
	n := root.get("1st")
	a, okA := n.int("a", -10, 10)
	b, okB := n.int("b", 0, 16)
	if _, less := n.int("b", 0, 15); a != -5 || b != 16 || !okA || !okB || less {
		t.Error(a, b, okA, okB, less)
	}
	if c := n.words("c"); len(c) != 2 || c[0] != `x"\` || c[1] != "bare" {
		t.Errorf("%q", c)
	}
	if n.text("quoted key") != "it" || n.text("f") != "1.5" || n.text("none") != "" || len(root.words("empty")) != 0 {
		t.Errorf("%+v", n)
	}
}

func FuzzMetadata(f *testing.F) {
	var lvs []string
	lvs = append(lvs, raidLVs("r", "raid5_ls", 4, 3, 2, 0, "device_count = 3", "stripe_size = 128", "region_size = 1024")...)
	lvs = append(lvs, lvText("l", linear(0, 5, "pv0", 20)), lvText("-snap", linear(0, 2, "pv0", 30)),
		lvText("snapshot0", seg(0, 5, "snapshot", "chunk_size = 8", `origin = "l"`, `cow_store = "snap"`)),
		lvText("thin", seg(0, 20, "thin", `thin_pool = "pool"`, "device_id = 1")),
		lvText("pool", seg(0, 2, "thin-pool", `metadata = "pool_tmeta"`, `pool = "pool_tdata"`, "transaction_id = 2", "chunk_size = 128")),
		lvText("-pool_tmeta", linear(0, 1, "pv0", 70)), lvText("-pool_tdata", linear(0, 2, "pv1", 70)))
	f.Add(vgText("vg", 1, "", fivePVs, lvs...))
	f.Add(vgText("vg", 1, "", fivePVs, lvText("c", seg(0, 8, "cache", `cache_pool = "f_cvol"`, `origin = "c_corig"`, "chunk_size = 1024", "metadata_len = 16384", "data_len = 4096")),
		lvText("-c_corig", linear(0, 8, "pv0", 0)), lvText("-f_cvol CACHE_VOL", linear(0, 10, "pv1", 0))))
	f.Add(vgText("vg", 1, "", fivePVs, lvText("m", seg(0, 4, "mirror", "mirror_count = 2", "region_size = 1024", `mirrors = ["m_mimage_0", 0, "m_mimage_1", 0]`)),
		lvText("-m_mimage_0", linear(0, 4, "pv0", 80)), lvText("-m_mimage_1", linear(0, 4, "pv1", 80)),
		lvText("v", seg(0, 100, "vdo", `vdo_pool = "vp"`, "vdo_offset = 0")),
		lvText("vp", seg(0, 50, "vdo-pool", `data = "vp_vdata"`, "header_size = 0", "virtual_extents = 100")), lvText("-vp_vdata", linear(0, 50, "pv4", 0))))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 60<<10 {
			return
		}
		checkPlan(t, members(text, fivePVs...))
	})
}

func FuzzOpen(f *testing.F) {
	text := vgText("vg", 1, "", []string{"pv0", "pv1"}, lvText("l", linear(0, 5, "pv0", 20)))
	f.Add(disk("pv0", text, 1024).head[:8192], disk("pv1", text, 64<<10-512).head[:8192])
	f.Add(disk("pv0", text, 1024).head[:8192], disk("pv0", text, 1024).head[:8192])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		checkPlan(t, []*volume.Member{member("/dev/sda", &image{a, pvSize}), member("/dev/sdb", &image{b, int64(len(b))})})
	})
}

// checkPlan holds what is true of every plan.
func checkPlan(t *testing.T, list []*volume.Member) {
	t.Helper()
	volumes, _ := plan(t, list)
	names := map[string]bool{}
	for _, v := range volumes {
		if !v.Usable() && len(v.Problems) == 0 {
			t.Errorf("%s cannot be used, for no reason", v.Name)
		}
		if v.Usable() && names[v.Name] {
			t.Errorf("two devices are called %s", v.Name)
		}
		names[v.Name] = v.Usable() || names[v.Name]
		var end int64
		for _, l := range v.Table {
			if l.Start != end || l.Length <= 0 {
				t.Errorf("%s: a line at %d of %d sectors follows %d", v.Name, l.Start, l.Length, end)
			}
			end = l.Start + l.Length
			if n := strings.Count(" "+strings.ReplaceAll(l.Params, ":@", " @")+" ", " @"); n != len(l.Devices) {
				t.Errorf("%s: %d devices for %q", v.Name, len(l.Devices), l.Params)
			}
			if m, ok := singleBase(l); ok && l.Type == "linear" {
				var at int64
				fmt.Sscanf(l.Params, "@ %d", &at)
				if (at+l.Length)*sector > m.Size {
					t.Errorf("%s: %d sectors at %d of %d bytes", v.Name, l.Length, at, m.Size)
				}
			}
		}
		if end*sector != v.Size && v.Usable() && v.Table[0].Type != "raid" {
			t.Errorf("%s has %d bytes, and its table %d", v.Name, v.Size, end*sector)
		}
	}
}

func singleBase(l volume.Target) (*volume.Member, bool) {
	if len(l.Devices) != 1 {
		return nil, false
	}
	m, ok := l.Devices[0].(*volume.Member)
	return m, ok
}

// Open gives up when it is told to.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	list := members(vgText("vg", 1, "", []string{"pv0"}, lvText("a", linear(0, 5, "pv0", 0))), "pv0")
	if v := Type.Open(ctx, list, nil); len(v) != 0 {
		t.Errorf("%d volumes", len(v))
	}
}

// A volume is the same as long as nothing has changed in its group.
func TestEqual(t *testing.T) {
	pvs := []string{"pv0", "pv1"}
	lv := func(seq, count int) *LV {
		text := vgText("vg", seq, "", pvs, lvText("a", linear(0, 5, "pv0", 0)), lvText("b", linear(0, 5, "pv1", 0)))
		return Read(context.Background(), members(text, pvs[:count]...)).VGs[0].LV("a")
	}
	a := lv(1, 2)
	for name, other := range map[string]any{"itself": a, "again": lv(1, 2)} {
		if !a.Equal(other) {
			t.Errorf("%s: it is not the same", name)
		}
	}
	for name, other := range map[string]any{"changed": lv(2, 2), "without a disk": lv(1, 1), "another": lv(1, 2).VG.LV("b"), "none": (*LV)(nil), "nothing": nil} {
		if a.Equal(other) {
			t.Errorf("%s: it is the same", name)
		}
	}
}

// Reading changes nothing of what it is given, and finds the same each time.
func TestEqualPlans(t *testing.T) {
	list := members(vgText("vg", 1, "", []string{"pv0", "pv1"}, lvText("a", linear(0, 5, "pv0", 0), linear(5, 5, "pv1", 0))), "pv0", "pv1")
	_, first := plan(t, list)
	if _, second := plan(t, list); first != second || !bytes.Contains([]byte(first), []byte("vg-a")) {
		t.Errorf("%s\n%s", first, second)
	}
}
