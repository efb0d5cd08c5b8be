package main

import (
	"fmt"

	"github.com/unboot/unboot/volume/lvm"
)

// A lastVolume is a logical volume, or none, and the physical volume that is to end earlier. No
// extent is moved: what the physical volume loses has to be free, or the end of the volume.
type lastVolume struct {
	lv *lvm.LV // nil if none is to become smaller
	pv *lvm.PV
}

// eachPiece calls visit with the pieces of logical volumes that lie on the physical volume, in
// extents: where they are on it, and how many they are.
func (v *lastVolume) eachPiece(visit func(lv *lvm.LV, s *lvm.Segment, at, n int64) error) error {
	for _, lv := range v.pv.VG.LVs {
		for _, s := range lv.Segments {
			for _, a := range s.Areas {
				n := s.Extents
				if s.Type == "striped" {
					n /= int64(len(s.Areas))
				}
				if a.PV != v.pv {
					continue
				}
				if err := visit(lv, s, a.Extent, n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// check returns why the logical volume does not become smaller, or nil.
func (v *lastVolume) check() error {
	for _, a := range v.pv.Areas {
		if a.Offset > v.pv.Start {
			return fmt.Errorf("the physical volume %s has metadata at its end, too", v.pv.Device)
		}
	}
	lv := v.lv
	switch {
	case lv == nil:
		return nil
	case len(lv.Snapshots) > 0 || lv.Snapshot != nil:
		return fmt.Errorf("the logical volume %s/%s has a snapshot, or is one", lv.VG.Name, lv.Name)
	case len(lv.Users) > 0 || lv.Partial || len(lv.Problems) > 0:
		return fmt.Errorf("the logical volume %s/%s is a part of others, or damaged", lv.VG.Name, lv.Name)
	}
	for _, s := range lv.Segments {
		if s.Type != "striped" || len(s.Areas) != 1 || s.Areas[0].PV != v.pv {
			return fmt.Errorf("the logical volume %s/%s is not linear (%s) on one physical volume", lv.VG.Name, lv.Name, s.Type)
		}
	}
	return nil
}

// left returns how many extents the logical volume has when the physical volume has only so
// many.
func (v *lastVolume) left(extents int64) (left int64, err error) {
	if v.lv != nil {
		left = v.lv.Size / v.pv.VG.ExtentSize
	}
	err = v.eachPiece(func(lv *lvm.LV, s *lvm.Segment, at, n int64) error {
		switch {
		case at+n <= extents:
		case lv == v.lv:
			left = min(left, s.Start+max(extents-at, 0))
		default:
			return fmt.Errorf("the logical volume %s/%s is there, up to extent %d of %s, which would have %d: "+
				"pvmove(8) moves it, or --device names it to become smaller", lv.VG.Name, lv.Name, at+n, v.pv.Device, max(extents, 0))
		}
		return nil
	})
	if err == nil && v.lv != nil && left <= 0 {
		err = fmt.Errorf("nothing would be left of the logical volume %s/%s", v.lv.VG.Name, v.lv.Name)
	}
	return left, err
}

// needed returns how many extents of the physical volume are needed if the logical volume is to
// keep the first ones only.
func (v *lastVolume) needed(keep int64) (extents int64) {
	v.eachPiece(func(lv *lvm.LV, s *lvm.Segment, at, n int64) error {
		if lv == v.lv {
			n = min(n, keep-s.Start)
		}
		if n > 0 {
			extents = max(extents, at+n)
		}
		return nil
	})
	return extents
}
