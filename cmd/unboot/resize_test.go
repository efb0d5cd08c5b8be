package main

import (
	"testing"

	"github.com/unboot/unboot/volume/lvm"
)

// TestExtents are layouts of a group on one physical volume, or a part of it.
func TestExtents(t *testing.T) {
	vg := &lvm.VG{Name: "vg", ExtentSize: 4 << 20}
	pv := &lvm.PV{Device: "/dev/sda1", VG: vg, Start: 1 << 20, Extents: 100}
	other := &lvm.PV{Device: "/dev/sdb1", VG: vg, Extents: 100}
	segment := func(start, n int64, pv *lvm.PV, at int64) *lvm.Segment {
		return &lvm.Segment{Type: "striped", Start: start, Extents: n, Areas: []lvm.Area{{PV: pv, Extent: at}}}
	}
	add := func(name string, list ...*lvm.Segment) *lvm.LV {
		lv := &lvm.LV{Name: name, VG: vg, Segments: list}
		for _, s := range list {
			lv.Size += s.Extents * vg.ExtentSize
		}
		vg.LVs = append(vg.LVs, lv)
		return lv
	}
	// In two pieces, of which the first lies behind the second.
	root := add("root", segment(0, 10, pv, 60), segment(10, 20, pv, 10))
	add("swap", segment(0, 5, pv, 40))
	add("elsewhere", segment(0, 50, other, 0))
	striped := add("striped", &lvm.Segment{Type: "striped", Extents: 20, Areas: []lvm.Area{{PV: pv, Extent: 46}, {PV: other, Extent: 60}}})

	for _, c := range []struct {
		lv      *lvm.LV
		extents int64
		left    int64 // -1 for an error
	}{
		{root, 100, 30}, {root, 70, 30}, {root, 69, 9}, {root, 60, -1}, {nil, 70, 0}, {nil, 69, -1},
		{striped, 70, 20}, {striped, 55, -1},
	} {
		v := &lastVolume{c.lv, pv}
		left, err := v.left(c.extents)
		if err != nil != (c.left < 0) || err == nil && left != c.left {
			t.Errorf("%d extents: %d, %v; want %d", c.extents, left, err, c.left)
		}
	}
	for _, c := range []struct{ keep, needed int64 }{{30, 70}, {10, 70}, {9, 69}, {1, 61}} {
		if got := (&lastVolume{root, pv}).needed(c.keep); got != c.needed {
			t.Errorf("the first %d of root need %d extents, want %d", c.keep, got, c.needed)
		}
	}
	if err := (&lastVolume{root, pv}).check(); err != nil {
		t.Error(err)
	}
	for what, change := range map[string]func(){
		"striped":    func() {},
		"a snapshot": func() { root.Snapshots = []*lvm.Snapshot{{}} },
		"metadata":   func() { pv.Areas = []*lvm.MetadataArea{{Extent: lvm.Extent{Offset: 400 << 20}}} },
	} {
		lv := root
		if what == "striped" {
			lv = striped
		}
		change()
		if err := (&lastVolume{lv, pv}).check(); err == nil {
			t.Errorf("%s: no error", what)
		}
		root.Snapshots, pv.Areas = nil, nil
	}
}
