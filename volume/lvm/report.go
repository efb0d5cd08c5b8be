package lvm

import (
	"maps"
	"slices"
)

// modules are the kernel modules that lvs(8) names for each type of segment, beside RAID.
var modules = map[string][]string{
	"striped": nil, "mirror": {"mirror"}, "thin-pool": {"thin-pool"}, "thin": {"thin", "thin-pool"},
	"cache": {"cache"}, "cache-pool": {"cache"}, "writecache": {"writecache"}, "integrity": {"integrity"},
	"vdo": {"vdo"}, "vdo-pool": {"vdo"}, "error": {"error"}, "zero": {"zero"},
}

// Modules returns the column lv_modules of lvs(8): what the volume, and the volumes that its
// segments lie on, need of the kernel.
func (lv *LV) Modules() []string {
	names := map[string]bool{}
	seen := map[*LV]bool{}
	var add func(*LV)
	add = func(lv *LV) {
		if lv == nil || seen[lv] {
			return
		}
		seen[lv] = true
		if len(lv.Snapshots) > 0 || lv.stores() {
			names["snapshot"] = true
		}
		if lv.raid() {
			names["raid"] = true
		}
		for _, s := range lv.Segments {
			for _, m := range modules[s.Type] {
				names[m] = true
			}
			for _, a := range s.Areas {
				add(a.LV)
			}
		}
	}
	add(lv)
	return slices.Sorted(maps.Keys(names))
}

// Origin returns the volume of the column origin of lvs(8), or nil.
func (lv *LV) Origin() *LV {
	if lv.stores() {
		return lv.Snapshot.Origin
	}
	if s := lv.segment("cache", "writecache", "integrity"); s != nil {
		return s.Areas[0].LV
	}
	if s := lv.segment("thin"); s != nil {
		if s.Origin != nil {
			return s.Origin
		}
		return s.External
	}
	return nil
}

// Log returns the volume of the column mirror_log of lvs(8), or nil.
func (lv *LV) Log() *LV {
	if s := lv.segment("mirror"); s != nil {
		return s.Log
	}
	return nil
}

// MovePV returns the physical volume of the column move_pv of lvs(8): that from which
// pvmove(8) takes extents away, if this is the volume by which it does; or nil.
func (lv *LV) MovePV() *PV {
	if !lv.Has("PVMOVE") || len(lv.Segments) == 0 || len(lv.Segments[0].Areas) == 0 {
		return nil
	}
	a := lv.Segments[0].Areas[0]
	if a.LV != nil && len(a.LV.Segments) > 0 && len(a.LV.Segments[0].Areas) > 0 {
		a = a.LV.Segments[0].Areas[0]
	}
	return a.PV
}

// Public reports whether the column lv_role of lvs(8) says so: the volume is for users, and
// is not a part of others, or a pool.
func (lv *LV) Public() bool {
	return lv.role == top && !lv.pool() && !lv.virtual() && !lv.Has("PVMOVE")
}

// Total returns how many extents the group has, with those of physical volumes that are
// missing.
func (vg *VG) Total() (n int64) {
	for _, pv := range vg.PVs {
		n += pv.Extents
	}
	return n
}

// Free returns how many extents nothing lies on.
func (vg *VG) Free() (n int64) {
	for _, pv := range vg.PVs {
		n += pv.Extents - pv.Allocated
	}
	return n
}

// Counts returns the columns lv_count and snap_count of vgs(8): visible volumes, and
// snapshots of the older kind.
func (vg *VG) Counts() (volumes, snapshots int) {
	for _, lv := range vg.LVs {
		if lv.Visible() {
			volumes++
		}
		if lv.stores() {
			snapshots++
		}
	}
	return volumes, snapshots
}

// MetadataFree returns the number of the group's metadata areas, and the least free space
// in one that is in use, in bytes.
func (vg *VG) MetadataFree() (areas int, free int64) {
	first := true
	for _, pv := range vg.PVs {
		areas += len(pv.Areas)
		for _, a := range pv.Areas {
			if !a.Ignored && (first || a.Free < free) {
				free, first = a.Free, false
			}
		}
	}
	return areas, free
}

// MetadataFree returns the least free space in a metadata area of the physical volume, in
// bytes.
func (pv *PV) MetadataFree() (free int64) {
	for i, a := range pv.Areas {
		if i == 0 || a.Free < free {
			free = a.Free
		}
	}
	return free
}

// Usable returns the size that pvs(8) shows as pv_size, and pv_free of it, in bytes: whole
// extents in a group, and the device without a group.
func (pv *PV) Usable() (size, free int64) {
	if pv.VG == nil {
		return pv.Size, pv.Size
	}
	return pv.Extents * pv.VG.ExtentSize, (pv.Extents - pv.Allocated) * pv.VG.ExtentSize
}
