package lvm

import (
	"errors"
	"fmt"
)

// mirror makes the line of a mirror of the older kind.
func (b *builder) mirror(r span, lv *LV, s *Segment) error {
	if lv.Has("PVMOVE") || s.rest.get("extents_moved") != nil {
		return b.moving(r, s)
	}
	var there []Area
	var missing []string
	for _, a := range s.Areas {
		if _, _, err := b.place(a); err != nil {
			missing = append(missing, err.Error())
		} else {
			there = append(there, a)
		}
	}
	if len(there) == 0 {
		return several(missing)
	}
	params, devices, err := b.places(there)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		b.v.Problems = append(b.v.Problems, "a leg of the mirror is missing: "+several(missing).Error())
	}
	if len(there) == 1 {
		b.line(r.start, r.size, "linear", params, devices...)
		return nil
	}
	if s.RegionSize == 0 {
		return errors.New("the mirror has no size of regions")
	}
	b.line(r.start, r.size, "mirror", fmt.Sprintf("core 2 %d nosync %d %s", s.RegionSize/sector, len(there), params), devices...)
	return nil
}

// moving makes the line of a range that pvmove(8) copies. The copy counts when all of the
// range is done: before, the original does.
func (b *builder) moving(r span, s *Segment) error {
	a := s.Areas[0]
	if s.Moved == s.Extents && len(s.Areas) > 1 {
		a = s.Areas[1]
	}
	d, at, err := b.place(a)
	if err != nil {
		return err
	}
	b.line(r.start, r.size, "linear", fmt.Sprintf("@ %d", at/sector), d)
	return nil
}
