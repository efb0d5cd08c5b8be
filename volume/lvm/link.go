package lvm

import "slices"

// A role is what a volume is for another one.
type role byte

const (
	top role = iota
	thinData
	thinMeta
	cacheOrigin
	cacheData
	cacheMeta
	cacheVolume // the one volume that holds a cache's data and metadata
	writecacheOrigin
	vdoData
	raidImage
	raidMeta
	mirrorImage
	mirrorLog
	integrityOrigin
	integrityMeta
	spare // for the repair of a pool's metadata
)

// suffixes are what LVM appends to the UUID of a device whose volume has a role, for those
// who look for devices to leave it alone.
var suffixes = map[role]string{
	thinData: "tdata", thinMeta: "tmeta", cacheOrigin: "real", cacheData: "cdata", cacheMeta: "cmeta",
	cacheVolume: "cvol", writecacheOrigin: "real", vdoData: "vdata",
}

// link tells each volume what the others use it for. The pseudo volumes of snapshots go.
func (vg *VG) link() {
	vg.LVs = slices.DeleteFunc(vg.LVs, func(lv *LV) bool {
		pseudo := lv.segment("snapshot") != nil
		if pseudo {
			delete(vg.names, lv.Name)
		}
		return pseudo
	})
	for _, lv := range vg.LVs {
		if lv.Name == "lvol0_pmspare" && !lv.Has("VISIBLE") {
			lv.role = spare
		}
	}
	for _, lv := range vg.LVs {
		for _, s := range lv.Segments {
			s.link(lv)
		}
		if lv.Snapshot != nil {
			lv.Snapshot.Origin.usedBy(lv, top)
		}
	}
}

func (s *Segment) link(lv *LV) {
	data, meta := top, top
	switch s.Type {
	case "thin-pool":
		data, meta = thinData, thinMeta
		s.messages(lv.VG)
	case "cache-pool":
		data, meta = cacheData, cacheMeta
	case "cache":
		data = cacheOrigin
		if s.Pool.segment("cache-pool") == nil {
			s.Pool.role = cacheVolume
		}
	case "writecache":
		data = writecacheOrigin
		s.Pool.role = cacheVolume
	case "integrity":
		data, meta = integrityOrigin, integrityMeta
	case "vdo-pool":
		data = vdoData
	case "mirror":
		data = mirrorImage
	case "striped":
	default:
		data, meta = raidImage, raidMeta
	}
	for _, a := range s.Areas {
		a.LV.usedBy(lv, data)
	}
	for _, m := range append(slices.Clone(s.Metas), s.Metadata) {
		m.usedBy(lv, meta)
	}
	s.Log.usedBy(lv, mirrorLog)
	s.Pool.usedBy(lv, top)
	s.External.usedBy(lv, top)
	if s.External != nil {
		s.External.external = true
	}
	if s.Merge != nil && s.Merge.segment("thin") != nil {
		s.Merge.MergedFrom = lv
	}
}

// messages notes which volumes the pool has yet to make: LVM writes in its own metadata first
// what it is about to do to the pool's.
func (s *Segment) messages(vg *VG) {
	for i := range s.rest.list {
		if n := &s.rest.list[i]; n.kind == section && n.text("create") != "" {
			if lv := vg.LV(n.text("create")); lv != nil {
				lv.pending = true
			}
		}
	}
}

func (lv *LV) usedBy(user *LV, as role) {
	if lv == nil {
		return
	}
	if as != top {
		lv.role = as
	}
	// The links of one user are made at one time.
	if n := len(lv.Users); n == 0 || lv.Users[n-1] != user {
		lv.Users = append(lv.Users, user)
	}
}
