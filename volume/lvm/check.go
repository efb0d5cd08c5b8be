package lvm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// A use is a range of extents of a physical volume that a logical volume lies on.
type use struct {
	lv         *LV
	start, end int64
}

// check compares what segments lie on with what is there. A volume whose extents cannot be
// as the metadata says is broken, and the others are not.
func (vg *VG) check() {
	uses := map[*PV][]use{}
	for _, lv := range vg.LVs {
		for _, s := range lv.Segments {
			for _, a := range s.Areas {
				n, err := s.areaExtents()
				if err == nil {
					err = a.check(n)
				}
				if err != nil {
					lv.broken = cmp.Or(lv.broken, err)
				} else if a.PV != nil {
					uses[a.PV] = append(uses[a.PV], use{lv, a.Extent, a.Extent + n})
				}
			}
		}
	}
	for _, pv := range vg.PVs {
		overlaps(pv, uses[pv])
		for _, u := range uses[pv] {
			pv.Allocated += u.end - u.start
		}
		pv.Allocated = min(pv.Allocated, pv.Extents)
		if pv.Member == nil {
			partial(uses[pv])
		}
	}
}

// partial marks the volumes that use a physical volume which is missing, and all that lie
// on those.
func partial(list []use) {
	var lvs []*LV
	for _, u := range list {
		lvs = append(lvs, u.lv)
	}
	for len(lvs) > 0 {
		lv := lvs[len(lvs)-1]
		lvs = lvs[:len(lvs)-1]
		if !lv.Partial {
			lv.Partial = true
			lvs = append(lvs, lv.Users...)
		}
	}
}

// areaExtents returns how many extents of each of its areas the segment takes at least.
func (s *Segment) areaExtents() (int64, error) {
	switch s.Type {
	case "striped":
		if n := int64(len(s.Areas)); s.Extents%n != 0 {
			return 0, fmt.Errorf("%d extents are not a multiple of its %d stripes", s.Extents, n)
		}
		return s.Extents / int64(len(s.Areas)), nil
	case "mirror", "raid1", "thin-pool", "cache", "writecache":
		return s.Extents, nil
	}
	return 0, nil // of those whose size has other rules, the kernel knows
}

// check reports whether n extents from the begin of the area are there.
func (a Area) check(n int64) error {
	switch {
	case a.PV != nil && a.Extent+n > a.PV.Extents:
		return fmt.Errorf("it has extents up to %d of physical volume %s, which has %d", a.Extent+n, a.PV.Name, a.PV.Extents)
	case a.PV != nil && a.PV.Member != nil && a.PV.Start+(a.Extent+n)*a.PV.VG.ExtentSize > a.PV.Member.Size:
		return fmt.Errorf("it ends at %d bytes of %s, which has %d", a.PV.Start+(a.Extent+n)*a.PV.VG.ExtentSize, a.PV.Device, a.PV.Member.Size)
	case a.LV != nil && a.Extent+n > a.LV.Size/a.LV.VG.ExtentSize:
		return fmt.Errorf("it has extents up to %d of %s, which has %d", a.Extent+n, a.LV.Name, a.LV.Size/a.LV.VG.ExtentSize)
	}
	return nil
}

// overlaps finds volumes that lie on the same extents. Each is broken, as any might be the
// one that owns them.
func overlaps(pv *PV, list []use) {
	slices.SortFunc(list, func(a, b use) int { return cmp.Compare(a.start, b.start) })
	last := use{}
	for _, u := range list {
		if last.lv != nil && u.start < last.end {
			for _, lv := range []*LV{last.lv, u.lv} {
				lv.broken = cmp.Or(lv.broken, errors.New("extents of physical volume "+pv.Name+" are those of "+last.lv.Name+" and of "+u.lv.Name))
			}
		}
		if u.end > last.end {
			last = u
		}
	}
}
