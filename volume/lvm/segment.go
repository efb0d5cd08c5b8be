package lvm

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A decoder reads the segments of a group's volumes.
type decoder struct {
	vg  *VG
	pvs map[string]*PV
	lvs map[string]*LV
}

// segments reads all segments of a volume. The first error makes the volume useless.
func (d *decoder) segments(lv *LV, n *node) {
	for i := range n.list {
		if n.list[i].kind != section {
			continue
		}
		s, err := d.segment(lv, &n.list[i])
		if err != nil {
			lv.broken = cmp.Or(lv.broken, fmt.Errorf("%.64s: %w", n.list[i].key, err))
			continue
		}
		lv.Segments = append(lv.Segments, s)
	}
	slices.SortStableFunc(lv.Segments, func(a, b *Segment) int { return cmp.Compare(a.Start, b.Start) })
	var extents int64
	for _, s := range lv.Segments {
		if s.Start != extents && lv.broken == nil {
			lv.broken = fmt.Errorf("its segments leave a gap or overlap at extent %d", extents)
		}
		extents = max(extents, s.Start+s.Extents)
	}
	if count, ok := n.int("segment_count", 1, maxNodes); lv.broken == nil && (!ok || count != int64(len(lv.Segments))) {
		lv.broken = fmt.Errorf("%d of its segments are described", len(lv.Segments))
	}
	if extents > min(maxExtents, math.MaxInt64/d.vg.ExtentSize) {
		lv.broken = cmp.Or(lv.broken, fmt.Errorf("%d extents are more than a volume can have", extents))
		return
	}
	lv.Size = extents * d.vg.ExtentSize
}

func (d *decoder) segment(lv *LV, n *node) (*Segment, error) {
	if len(n.list) > maxWords {
		return nil, errNodes
	}
	words := strings.Split(n.text("type"), "+")
	s := &Segment{Type: words[0], flags: words[1:], Tags: n.words("tags"), rest: n}
	lv.Status = append(lv.Status, s.flags...)
	switch s.Type {
	case "", "linear":
		s.Type = "striped"
	case "raid5":
		s.Type = "raid5_ls"
	case "raid6":
		s.Type = "raid6_zr"
	case "raid10_near":
		s.Type = "raid10"
	}
	var okStart, okExtents bool
	s.Start, okStart = n.int("start_extent", 0, maxExtents)
	s.Extents, okExtents = n.int("extent_count", 1, maxExtents)
	if !okStart || !okExtents {
		return nil, fmt.Errorf("it has no begin or no length")
	}
	for key, size := range map[string]*int64{"stripe_size": &s.StripeSize, "region_size": &s.RegionSize, "chunk_size": &s.ChunkSize} {
		n, _ := n.int(key, 0, math.MaxUint32)
		*size = n * sector
	}
	return s, d.references(s, lv, n)
}

// references reads the names of what the segment lies on.
func (d *decoder) references(s *Segment, lv *LV, n *node) (err error) {
	ref := func(key string, need bool) *LV {
		name := n.text(key)
		to := d.lvs[name]
		if to == nil && (need || name != "") && err == nil {
			err = fmt.Errorf("%s is %.128q, which is not a volume", key, name)
		}
		return to
	}
	one := func(to *LV) { s.Areas = []Area{{LV: to}} }
	switch s.Type {
	case "striped":
		s.Areas, err = d.areas(n, "stripes")
	case "mirror":
		s.Areas, err = d.areas(n, "mirrors")
		s.Moved, _ = n.int("extents_moved", 0, maxExtents)
		if log := n.text("mirror_log"); log != "" {
			s.Log = ref("mirror_log", true)
		}
	case "snapshot":
		err = d.snapshot(s, n)
	case "thin-pool":
		one(ref("pool", true))
		s.Metadata = ref("metadata", true)
		s.TransactionID, _ = n.int("transaction_id", 0, math.MaxInt64)
	case "thin":
		s.Pool = ref("thin_pool", true)
		s.External, s.Origin, s.Merge = ref("external_origin", false), ref("origin", false), ref("merge", false)
		var ok bool
		if s.DeviceID, ok = n.int("device_id", 0, 1<<24-1); !ok && err == nil {
			err = fmt.Errorf("it has no number in its pool")
		}
	case "cache-pool":
		one(ref("data", true))
		s.Metadata = ref("metadata", true)
	case "cache":
		one(ref("origin", true))
		s.Pool = ref("cache_pool", true)
	case "writecache":
		one(ref("origin", true))
		s.Pool = ref("writecache", true)
	case "integrity":
		one(ref("origin", true))
		s.Metadata = ref("meta_dev", false)
	case "vdo-pool":
		one(ref("data", true))
	case "vdo":
		s.Pool = ref("vdo_pool", true)
	default:
		if strings.HasPrefix(s.Type, "raid") {
			err = d.images(s, n)
		}
	}
	return err
}

// areas reads a list of names and extents in turn.
func (d *decoder) areas(n *node, key string) ([]Area, error) {
	v := n.get(key)
	if v == nil || len(v.list) == 0 || len(v.list)%2 != 0 || len(v.list) > maxWords {
		return nil, fmt.Errorf("its %s are not a list of names and extents", key)
	}
	var areas []Area
	for i := 0; i < len(v.list); i += 2 {
		name, at := v.list[i], v.list[i+1]
		a := Area{PV: d.pvs[name.str], Extent: at.num}
		if a.PV == nil {
			a.LV = d.lvs[name.str]
		}
		if name.kind != text || at.kind != number || at.num < 0 || at.num > maxExtents || a.PV == nil && a.LV == nil {
			return nil, fmt.Errorf("its %s name %.128q, which is not a volume", key, name.str)
		}
		areas = append(areas, a)
	}
	return areas, nil
}

// images reads the list of a RAID's volumes, in which each volume with metadata comes
// before its image. LVM finds it by its name.
func (d *decoder) images(s *Segment, n *node) error {
	key := "raids"
	if s.Type == "raid0" {
		key = "raid0_lvs"
	}
	var meta *LV
	for _, name := range n.words(key) {
		lv := d.lvs[name]
		switch {
		case lv == nil:
			return fmt.Errorf("its %s name %.128q, which is not a volume", key, name)
		case meta == nil && strings.Contains(name, "_rmeta_"):
			meta = lv
		default:
			s.Areas, s.Metas = append(s.Areas, Area{LV: lv}), append(s.Metas, meta)
			meta = nil
		}
	}
	if len(s.Areas) == 0 || meta != nil {
		return fmt.Errorf("its %s are not a list of images", key)
	}
	return nil
}

// snapshot reads the pseudo volume that joins an origin with the volume that holds the
// changes. It is not a volume to anybody else.
func (d *decoder) snapshot(s *Segment, n *node) error {
	snap := &Snapshot{Origin: d.lvs[n.text("origin")], Store: d.lvs[n.text("cow_store")], ChunkSize: s.ChunkSize, extents: s.Extents}
	if name := n.text("merging_store"); name != "" {
		snap.Store, snap.Merging = d.lvs[name], true
	}
	if snap.Origin == nil || snap.Store == nil || snap.Origin == snap.Store || snap.Store.Snapshot != nil {
		return fmt.Errorf("the volumes of the snapshot are not there")
	}
	snap.Store.Snapshot = snap
	snap.Origin.Snapshots = append(snap.Origin.Snapshots, snap)
	return nil
}
