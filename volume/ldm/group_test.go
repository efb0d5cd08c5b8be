package ldm

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/unboot/unboot/volume"
)

// bytesOf returns a copy of a disk's content, and what writes it back.
func bytesOf(m *volume.Member) ([]byte, func()) {
	b := make([]byte, m.Size)
	m.R.ReadAt(b, 0)
	return b, func() { m.R, m.Size = bytes.NewReader(b), int64(len(b)) }
}

// TestTransaction holds that a change that was cut off is undone or done as its state says.
func TestTransaction(t *testing.T) {
	records := [][]byte{
		volumeRecord(0, 4, "Kept", 1, 10, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0), partitionRecord(0, 6, 5, 1, 0, 0, 10, 0),
		volumeRecord(1, 14, "Old", 1, 10, false), componentRecord(1, 15, 14, 1, LayoutConcat, 0, 0), partitionRecord(1, 16, 15, 1, 10, 0, 10, 0),
		volumeRecord(2, 24, "New", 1, 10, false), componentRecord(2, 25, 24, 1, LayoutConcat, 0, 0), partitionRecord(2, 26, 25, 1, 10, 0, 10, 0),
	}
	for _, test := range []struct {
		status     uint16
		want, says string
	}{{2, "Kept Old", "not done"}, {3, "Kept New", "done"}} {
		db := small(records...)
		db.status, db.pending = test.status, 8
		db.nCommitted, db.nChange = counts{2, 2, 2, 3}, counts{2, 2, 2, 3}
		m := db.disk(t, 1)
		var names []string
		for _, v := range plan([]*volume.Member{m}) {
			names = append(names, v.Info.(*Volume).Name)
			if v.Table == nil {
				t.Errorf("%+v", v)
			}
		}
		if strings.Join(names, " ") != test.want {
			t.Errorf("state %d: %q", test.status, names)
		}
		if len(m.Problems) != 1 || !strings.HasSuffix(m.Problems[0], "taken for "+test.says) {
			t.Errorf("state %d: %q", test.status, m.Problems)
		}
		// Another disk on which the change is complete has the say.
		finished := small(volumeRecord(0, 4, "Only", 1, 10, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0), partitionRecord(0, 6, 5, 1, 0, 0, 10, 0))
		finished.committed = 8
		if list := plan([]*volume.Member{m, finished.disk(t, 2)}); len(list) != 1 || list[0].Info.(*Volume).Name != "Only" {
			t.Errorf("state %d, with a disk that is ahead: %s", test.status, lines(list))
		}
	}
}

func mirror() [][]byte {
	return [][]byte{volumeRecord(0, 4, "Volume1", 2, 100, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0),
		componentRecord(0, 6, 4, 1, LayoutConcat, 0, 0), partitionRecord(0, 7, 5, 1, 0, 0, 100, 0), partitionRecord(0, 8, 6, 2, 0, 0, 100, 0)}
}

// TestStale holds that a disk that was away is not trusted where another has the data.
func TestStale(t *testing.T) {
	old, current := small(mirror()...), small(mirror()...)
	current.committed = 9
	members := []*volume.Member{old.disk(t, 1), current.disk(t, 2)}
	v := find(t, plan(members), "Volume1")
	if len(v.Table) != 1 || !strings.HasSuffix(v.Table[0].Params, "2 - - - @") || !v.ReadOnly {
		t.Errorf("%+v", v)
	}
	if len(members[0].Problems) != 1 || !strings.Contains(members[0].Problems[0], "older (transaction 7)") {
		t.Errorf("%q", members[0].Problems)
	}
	// Alone, it is all that there is, and says so of nothing.
	if v := find(t, plan(members[:1]), "Volume1"); !v.ReadOnly || !strings.HasSuffix(v.Table[0].Params, "2 - @ - -") {
		t.Errorf("%+v", v)
	}
	// What has no second half is read from it nevertheless.
	simple := [][]byte{volumeRecord(0, 4, "S", 1, 10, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0), partitionRecord(0, 6, 5, 1, 0, 0, 10, 0)}
	old, current = small(simple...), small(simple...)
	current.committed = 9
	if v := find(t, plan([]*volume.Member{old.disk(t, 1), current.disk(t, 2)}), "S"); v.Table == nil || !v.ReadOnly || len(v.Problems) != 1 {
		t.Errorf("%+v", v)
	}
}

// TestTwins holds that nothing is chosen by chance between two copies of a disk.
func TestTwins(t *testing.T) {
	db := small(mirror()...)
	a, b := db.disk(t, 1), db.disk(t, 1)
	b.Name = "/dev/sdx"
	v := find(t, plan([]*volume.Member{a, b, db.disk(t, 2)}), "Volume1")
	if v.Table == nil || !strings.Contains(v.Problems[0], "several devices claim to be the disk") || !v.ReadOnly {
		t.Errorf("%+v", v)
	}
	if v = find(t, plan([]*volume.Member{a, b}), "Volume1"); v.Table != nil {
		t.Errorf("%+v", v)
	}
	if !strings.Contains(strings.Join(a.Problems, ""), "/dev/sda and /dev/sdx both claim") {
		t.Errorf("%q", a.Problems)
	}
}

// TestDamage holds that the copies of headers and tables of contents are used, and that a
// disk without a database can be read by that of another.
func TestDamage(t *testing.T) {
	const dbStart = testDisk - 1<<20
	for _, test := range []struct {
		name   string
		damage func(b []byte)
		says   string
	}{
		{"the first header", func(b []byte) { clear(b[6*512:][:512]) }, ""},
		{"a bit of the first header", func(b []byte) { b[6*512+0x123]++ }, ""},
		{"two headers", func(b []byte) { clear(b[6*512:][:512]); clear(b[len(b)-512:]) }, ""},
		{"all headers", func(b []byte) {
			clear(b[6*512:][:512])
			clear(b[len(b)-512:])
			clear(b[dbStart+1856*512:][:512])
		}, "no header of a dynamic disk"},
		{"two tables of contents", func(b []byte) { clear(b[dbStart+512:][:1024]) }, ""},
		{"a bit of a table of contents", func(b []byte) { b[dbStart+512+0x30]++ }, ""},
		{"all tables of contents", func(b []byte) { clear(b[dbStart+512:][:1024]); clear(b[dbStart+2045*512:][:1024]) }, "no table of contents"},
		{"the head", func(b []byte) { clear(b[dbStart+17*512:][:512]) }, "no head of a database"},
		{"the version", func(b []byte) { b[dbStart+17*512+0x13] = 9 }, "has the version 9.10"},
		{"the size of records", func(b []byte) { b[dbStart+17*512+0x0b] = 1 }, "records of 1 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			db := small(mirror()...)
			members := db.disks(t, 2)
			b, done := bytesOf(members[0])
			test.damage(b)
			done()
			v := find(t, plan(members), "Volume1")
			says := strings.Join(members[0].Problems, "\n")
			if test.says == "" && says != "" || !strings.Contains(says, test.says) {
				t.Errorf("it says %q", says)
			}
			full := strings.HasSuffix(v.Table[0].Params, "2 - @ - @")
			if full == (test.name == "all headers") {
				t.Errorf("%+v", v)
			}
			groups := Scan(context.Background(), members[:1])
			if readable := len(groups) == 1; readable != (test.says == "") {
				t.Errorf("alone, it has %d groups", len(groups))
			}
		})
	}
	// A disk that was cut has its first header still.
	members := small(mirror()...).disks(t, 2)
	b, _ := bytesOf(members[0])
	members[0].R, members[0].Size = bytes.NewReader(b[:1<<20]), 1<<20
	if v := find(t, plan(members), "Volume1"); !strings.HasSuffix(v.Table[0].Params, "2 - @ - @") ||
		!strings.Contains(members[0].Problems[0], "its database lies at 7340032 to 8388608, and the disk has 1048576 bytes") {
		t.Errorf("%+v, %q", v, members[0].Problems)
	}
}

// TestRecords holds that records that are broken are told of, and the others are there.
func TestRecords(t *testing.T) {
	good := [][]byte{volumeRecord(0, 4, "V", 1, 10, false), componentRecord(0, 5, 4, 1, LayoutConcat, 0, 0), partitionRecord(0, 6, 5, 1, 0, 0, 10, 0)}
	for _, test := range []struct {
		bad  []byte
		says string
	}{
		{record(0, 0x59, 0, num(9), str("x")), "type 9, revision 5"},
		{record(0, 0x41, 0, num(9), str("x")), "type 1, revision 4"},
		{record(0, 0x33, 0, num(9), str("short")), `the partition "short" (9) does not fit`},
		{record(0, 0x33, 0, []byte{9, 1, 2, 3, 4, 5, 6, 7, 8, 9}, str("big")), "does not fit"},
		{partitionRecord(0, 9, 99, 1, 0, 0, 10, 0), "belongs to no component"},
		{componentRecord(0, 9, 99, 1, LayoutConcat, 0, 0), "belongs to no volume"},
		{record(0, 0x34, 0, num(9), str(strings.Repeat("x", 255)), make([]byte, 2000)), "is said to be the part 0 of 21"},
	} {
		m := small(append(good[:3:3], test.bad)...).disk(t, 1)
		v := find(t, plan([]*volume.Member{m}), "V")
		if v.Table == nil || !strings.Contains(strings.Join(m.Problems, "\n"), test.says) {
			t.Errorf("%q: %q, %+v", test.says, m.Problems, v)
		}
	}
}
