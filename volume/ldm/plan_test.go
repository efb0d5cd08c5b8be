package ldm

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// disks returns the members 1 to n with the same database.
func (db *testDB) disks(t testing.TB, n int) []*volume.Member {
	var list []*volume.Member
	for i := range n {
		list = append(list, db.disk(t, i+1))
	}
	return list
}

func plan(members []*volume.Member) []*volume.Volume { return open(context.Background(), members, nil) }

// lines returns the tables as `dmsetup table` prints them, with names for numbers.
func lines(list []*volume.Volume) string {
	var b strings.Builder
	for _, v := range list {
		fmt.Fprintf(&b, "%s:", v.Name)
		for _, t := range v.Table {
			fmt.Fprintf(&b, " %s;", t.Line(func(base volume.Base) string {
				if v, ok := base.(*volume.Volume); ok {
					return v.Name
				}
				return base.(*volume.Member).Name
			}))
		}
		for _, p := range v.Problems {
			fmt.Fprintf(&b, " (%s)", p)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func small(records ...[]byte) *testDB {
	return &testDB{group: "1", name: "PC-Dg0", committed: 7, records: append([][]byte{groupRecord("PC-Dg0"),
		diskRecord(1, "Disk1"), diskRecord(2, "Disk2"), diskRecord(3, "Disk3")}, records...)}
}

// TestTables compares whole plans.
func TestTables(t *testing.T) {
	for _, test := range []struct {
		name    string
		records [][]byte
		want    string
	}{
		{"simple", [][]byte{volumeRecord(0, 4, "Volume1", 1, 100, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0),
			partitionRecord(0, 6, 5, 1, 10, 0, 100, 0)},
			"ldm_vol_PC-Dg0_Volume1: 0 100 linear /dev/sda 73;\n"},
		{"spanned, listed backwards", [][]byte{volumeRecord(0, 4, "Volume1", 1, 150, false), componentRecord(0, 5, 4, 2, LayoutConcat, 0, 0),
			partitionRecord(0, 6, 5, 2, 0, 100, 50, 0), partitionRecord(0, 7, 5, 1, 0, 0, 100, 0)},
			"ldm_vol_PC-Dg0_Volume1: 0 100 linear /dev/sda 63; 100 50 linear /dev/sdb 63;\n"},
		{"striped", [][]byte{volumeRecord(0, 4, "Stripe1", 1, 512, false), componentRecord(0, 5, 4, 2, LayoutStriped, 128, 2),
			partitionRecord(0, 6, 5, 2, 0, 0, 256, 1), partitionRecord(0, 7, 5, 1, 10, 0, 256, 0)},
			"ldm_vol_PC-Dg0_Stripe1: 0 512 striped 2 128 /dev/sda 73 /dev/sdb 63;\n"},
		{"striped, with a column that was extended", [][]byte{volumeRecord(0, 4, "Stripe1", 1, 512, false),
			componentRecord(0, 5, 4, 3, LayoutStriped, 128, 2), partitionRecord(0, 6, 5, 1, 0, 0, 128, 0),
			partitionRecord(0, 7, 5, 1, 500, 128, 128, 0), partitionRecord(0, 8, 5, 2, 0, 0, 256, 1)},
			"ldm_part_PC-Dg0_comp5-column0: 0 128 linear /dev/sda 63; 128 128 linear /dev/sda 563;\n" +
				"ldm_vol_PC-Dg0_Stripe1: 0 512 striped 2 128 ldm_part_PC-Dg0_comp5-column0 0 /dev/sdb 63;\n"},
		{"mirrored", [][]byte{volumeRecord(0, 4, "Volume1", 2, 100, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0),
			componentRecord(0, 6, 4, 1, LayoutConcat, 0, 0), partitionRecord(0, 7, 5, 1, 0, 0, 100, 0), partitionRecord(0, 8, 6, 2, 0, 0, 100, 0)},
			"ldm_part_PC-Dg0_Disk1-07: 0 100 linear /dev/sda 63;\nldm_part_PC-Dg0_Disk2-08: 0 100 linear /dev/sdb 63;\n" +
				"ldm_vol_PC-Dg0_Volume1: 0 100 raid raid1 2 128 nosync 2 - ldm_part_PC-Dg0_Disk1-07 - ldm_part_PC-Dg0_Disk2-08;\n"},
		{"a mirror of which a half is detached", [][]byte{volumeRecord(0, 4, "Volume1", 2, 100, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0),
			componentRecord(0, 6, 4, 1, LayoutConcat, 0, 0), partitionRecordFlags(0, 0x10, 7, 5, 1, 0, 0, 100, 0), partitionRecord(0, 8, 6, 2, 0, 0, 100, 0)},
			"ldm_part_PC-Dg0_Disk2-08: 0 100 linear /dev/sdb 63;\n" +
				"ldm_vol_PC-Dg0_Volume1: 0 100 raid raid1 2 128 nosync 2 - - - ldm_part_PC-Dg0_Disk2-08;" +
				" (it is degraded: the partition \"Disk1-07\" may not be up to date, and is not used)\n"},
		{"a mirror of a spanned half", [][]byte{volumeRecord(0, 4, "Volume1", 2, 100, false), componentRecord(0, 5, 4, 2, LayoutConcat, 0, 0),
			componentRecord(0, 6, 4, 1, LayoutConcat, 0, 0), partitionRecord(0, 7, 5, 1, 0, 0, 60, 0), partitionRecord(0, 9, 5, 3, 0, 60, 40, 0),
			partitionRecord(0, 8, 6, 2, 0, 0, 100, 0)},
			"ldm_part_PC-Dg0_Volume1-1: 0 60 linear /dev/sda 63; 60 40 linear /dev/sdc 63;\nldm_part_PC-Dg0_Disk2-08: 0 100 linear /dev/sdb 63;\n" +
				"ldm_vol_PC-Dg0_Volume1: 0 100 raid raid1 2 128 nosync 2 - ldm_part_PC-Dg0_Volume1-1 - ldm_part_PC-Dg0_Disk2-08;\n"},
		{"RAID 5", [][]byte{volumeRecord(0, 4, "Raid1", 1, 512, true), componentRecord(0, 5, 4, 3, LayoutRAID5, 128, 3),
			partitionRecord(0, 6, 5, 1, 0, 0, 256, 0), partitionRecord(0, 7, 5, 2, 0, 0, 256, 1), partitionRecord(0, 8, 5, 3, 0, 0, 256, 2)},
			"ldm_part_PC-Dg0_Disk1-06: 0 256 linear /dev/sda 63;\nldm_part_PC-Dg0_Disk2-07: 0 256 linear /dev/sdb 63;\nldm_part_PC-Dg0_Disk3-08: 0 256 linear /dev/sdc 63;\n" +
				"ldm_vol_PC-Dg0_Raid1: 0 512 raid raid5_ls 2 128 nosync 3 - ldm_part_PC-Dg0_Disk1-06 - ldm_part_PC-Dg0_Disk2-07 - ldm_part_PC-Dg0_Disk3-08;\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			members := small(test.records...).disks(t, 3)
			list := plan(members)
			if got := lines(list); got != test.want {
				t.Errorf("planned:\n%s\nwant:\n%s", got, test.want)
			}
			for _, m := range members {
				if len(m.Problems) > 0 {
					t.Errorf("%s: %q", m.Name, m.Problems)
				}
			}
			if !strings.Contains(test.name, "extended") && !strings.Contains(test.name, "spanned half") {
				if _, err := exec.LookPath("ldmtool"); err == nil {
					for _, m := range members {
						file(t, m)
					}
					compare(t, members)
				}
			}
			for i := range list {
				checkPlan(t, list[:i], list[i])
			}
		})
	}
}

// TestBad holds that a volume that cannot be used says why, and others of the group are not
// concerned.
func TestBad(t *testing.T) {
	good := [][]byte{volumeRecord(0, 100, "Good", 1, 10, false), componentRecord(0, 101, 100, 1, LayoutConcat, 0, 0),
		partitionRecord(0, 102, 101, 3, 1000, 0, 10, 0)}
	one := func(p ...[]byte) [][]byte {
		return append([][]byte{volumeRecord(0, 4, "Bad", 1, 100, false), componentRecord(0, 5, 4, len(p), LayoutConcat, 0, 0)}, p...)
	}
	for _, test := range []struct {
		want    string
		records [][]byte
	}{
		{"reaches past the end of /dev/sda", one(partitionRecord(0, 6, 5, 1, testDisk/512, 0, 100, 0))},
		{"reaches past the end of /dev/sda", one(partitionRecord(0, 6, 5, 1, 0, 0, testDisk/512, 0))},
		{"reaches past the end of /dev/sda", one(partitionRecord(0, 6, 5, 1, 1<<52, 0, 1<<52, 0))},
		{"lies on the database", one(partitionRecord(0, 6, 5, 1, testDisk/512-2000, 0, 100, 0))},
		{"overlap", one(partitionRecord(0, 6, 5, 1, 0, 0, 60, 0), partitionRecord(0, 7, 5, 1, 59, 60, 40, 0))},
		{"is said to begin at", one(partitionRecord(0, 6, 5, 1, 0, 0, 60, 0), partitionRecord(0, 7, 5, 2, 0, 61, 39, 0))},
		{"the database does not know", one(partitionRecord(0, 6, 5, 77, 0, 0, 100, 0))},
		{"is empty", one(partitionRecord(0, 6, 5, 1, 0, 0, 0, 0))},
		{"0 of its 1 components", [][]byte{volumeRecord(0, 4, "Bad", 1, 100, false)}},
		{"1 of its 2 components", [][]byte{volumeRecord(0, 4, "Bad", 2, 100, false), componentRecord(0, 5, 4, 0, LayoutConcat, 0, 0)}},
		{"0 of the 3 partitions", [][]byte{volumeRecord(0, 4, "Bad", 1, 100, false), componentRecord(0, 5, 4, 3, LayoutConcat, 0, 0)}},
		{"layout 9", [][]byte{volumeRecord(0, 4, "Bad", 1, 100, false), componentRecord(0, 5, 4, 1, 9, 0, 0), partitionRecord(0, 6, 5, 1, 0, 0, 100, 0)}},
		{"not divisible", [][]byte{volumeRecord(0, 4, "Bad", 1, 100, false), componentRecord(0, 5, 4, 2, LayoutStriped, 16, 2),
			partitionRecord(0, 6, 5, 1, 0, 0, 50, 0), partitionRecord(0, 7, 5, 2, 0, 0, 50, 1)}},
		{"chunks of 9223372036854774784 bytes", [][]byte{volumeRecord(0, 4, "Bad", 1, 100, false), componentRecord(0, 5, 4, 2, LayoutStriped, 1<<54-2, 2),
			partitionRecord(0, 6, 5, 1, 0, 0, 50, 0), partitionRecord(0, 7, 5, 2, 0, 0, 50, 1)}},
		{"has no column 1", [][]byte{volumeRecord(0, 4, "Bad", 1, 128, false), componentRecord(0, 5, 4, 2, LayoutStriped, 16, 2),
			partitionRecord(0, 6, 5, 1, 0, 0, 64, 0), partitionRecord(0, 7, 5, 2, 0, 0, 64, 1<<60)}},
		{"is smaller than its part", [][]byte{volumeRecord(0, 4, "Bad", 1, 128, false), componentRecord(0, 5, 4, 2, LayoutStriped, 16, 2),
			partitionRecord(0, 6, 5, 1, 0, 0, 64, 0), partitionRecord(0, 7, 5, 2, 0, 0, 48, 1)}},
	} {
		list := plan(small(append(slices.Clone(test.records), good...)...).disks(t, 3))
		bad := find(t, list, "Bad")
		if bad.Table != nil || !strings.Contains(strings.Join(bad.Problems, "\n"), test.want) {
			t.Errorf("%s: %+v", test.want, bad)
		}
		if v := find(t, list, "Good"); v.Table == nil || len(v.Problems) != 0 {
			t.Errorf("%s: the other volume: %+v", test.want, v)
		}
	}
}

// TestNames holds that names are those of libdevmapper, and each is there once.
func TestNames(t *testing.T) {
	simple := [][]byte{volumeRecord(0, 4, "My volume/1", 1, 10, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0),
		partitionRecord(0, 6, 5, 1, 0, 0, 10, 0)}
	one := small(simple...)
	two := small(simple...)
	two.group = "2"
	list := plan([]*volume.Member{one.disk(t, 1), two.disk(t, 1)})
	if len(list) != 2 {
		t.Fatal(lines(list))
	}
	want := []string{`ldm_vol_PC-Dg0_My\x20volume\x2f1`, "ldm_vol_" + testGUID("0", 2) + "_00000000-0000-0000-0000-000000000004"}
	for i, v := range list {
		if v.Name != want[i] || v.Nodes[0] != "/dev/mapper/"+want[i] || v.UUID != `LDM-My\x20volume\x2f1-00000000-0000-0000-0000-000000000004` {
			t.Errorf("%q, %q, %q", v.Name, v.Nodes, v.UUID)
		}
	}
	long := small(volumeRecord(0, 4, strings.Repeat("v", 250), 1, 10, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0),
		partitionRecord(0, 6, 5, 1, 0, 0, 10, 0))
	if v := plan(long.disks(t, 1))[0]; len(v.Name) > 127 || len(v.UUID) > 128 || v.Table == nil {
		t.Errorf("%q, %q", v.Name, v.UUID)
	}
}

// checkPlan holds what every plan has to be, whatever the disks say: tables without gaps, of
// what the devices have, over nothing but disks and the volumes before it.
func checkPlan(t *testing.T, before []*volume.Volume, v *volume.Volume) {
	t.Helper()
	if v.Table == nil && len(v.Problems) == 0 {
		t.Errorf("%s is not usable, and says not why", v.Name)
	}
	if len(v.Name) > 127 || len(v.UUID) > 128 || bytes.ContainsAny([]byte(v.Name+v.UUID), "/ \x00") {
		t.Errorf("%q %q", v.Name, v.UUID)
	}
	pos := int64(0)
	for _, target := range v.Table {
		if target.Start != pos || target.Length <= 0 {
			t.Fatalf("%s: %v", v.Name, v.Table)
		}
		pos += target.Length
		if strings.Count(" "+target.Params+" ", " @ ") != len(target.Devices) {
			t.Errorf("%s: %v", v.Name, target)
		}
		for _, d := range target.Devices {
			switch d := d.(type) {
			case *volume.Volume:
				if !slices.Contains(before, d) || !d.Hidden {
					t.Errorf("%s lies on %s, which is not before it", v.Name, d.Name)
				}
			case *volume.Member:
				if target.Type != "linear" {
					continue
				}
				var start int64
				fmt.Sscanf(target.Params, "@ %d", &start)
				if start < 0 || start+target.Length > d.Size/512 {
					t.Errorf("%s: %v past the end of %s", v.Name, target, d.Name)
				}
			}
		}
	}
	if v.Table != nil && v.Size != pos*512 {
		t.Errorf("%s has %d bytes, and a table for %d", v.Name, v.Size, pos*512)
	}
}
