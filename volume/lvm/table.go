package lvm

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// within says which of the volumes below has the problem, unless that would be too long to read.
func within(lv *LV, err error) error {
	if err == nil || len(err.Error()) > 500 {
		return err
	}
	return fmt.Errorf("%s: %w", lv.Name, err)
}

// several joins what is wrong with the parts of a volume: each once, and no more than can be
// read.
func several(faults []string) error {
	slices.Sort(faults)
	if faults = slices.Compact(faults); len(faults) > 4 {
		faults = append(faults[:4:4], fmt.Sprintf("and %d more", len(faults)-4))
	}
	return errors.New(strings.Join(faults, "; "))
}

// segments makes a line for each segment of a volume.
func (b *builder) segments(lv *LV) error {
	if lv.broken != nil {
		return within(lv, lv.broken)
	}
	if len(lv.Segments) == 0 {
		return errors.New("it has no segments")
	}
	for _, s := range lv.Segments {
		if err := b.segment(lv, s); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) segment(lv *LV, s *Segment) error {
	r := span{s.Start * lv.VG.ExtentSize, s.Extents * lv.VG.ExtentSize}
	switch s.Type {
	case "striped":
		return b.striped(r, s)
	case "error", "zero":
		b.line(r.start, r.size, s.Type, "")
		return nil
	case "mirror":
		return b.mirror(r, lv, s)
	case "thin-pool":
		return b.thinPool(r, lv, s)
	case "thin":
		return b.thin(r, lv, s)
	case "cache":
		return b.cache(r, s)
	case "writecache":
		return b.writecache(r, s)
	case "integrity":
		return b.integrity(r, s)
	case "vdo-pool":
		return b.vdoPool(lv, s)
	case "vdo":
		return b.vdo(r, s)
	}
	if _, ok := parity[s.Type]; ok {
		return b.raid(r, s)
	}
	return fmt.Errorf("segments of type %.64q are not known", s.Type)
}

// A span is a range of a volume, in bytes.
type span struct{ start, size int64 }

// striped makes the line of a range that lies on one place, or alternates between several.
func (b *builder) striped(r span, s *Segment) error {
	params, devices, err := b.places(s.Areas)
	if err != nil {
		return err
	}
	if len(s.Areas) == 1 {
		b.line(r.start, r.size, "linear", params, devices...)
		return nil
	}
	if s.StripeSize == 0 {
		return errors.New("its stripes have no size")
	}
	b.line(r.start, r.size, "striped", fmt.Sprintf("%d %d %s", len(s.Areas), s.StripeSize/sector, params), devices...)
	return nil
}

// places returns the devices and offsets of all areas.
func (b *builder) places(areas []Area) (string, []volume.Base, error) {
	var words []string
	var devices []volume.Base
	var missing []string
	for _, a := range areas {
		d, at, err := b.place(a)
		if err != nil {
			missing = append(missing, err.Error())
			continue
		}
		words, devices = append(words, fmt.Sprintf("@ %d", at/sector)), append(devices, d)
	}
	if len(missing) > 0 {
		return "", nil, several(missing)
	}
	return strings.Join(words, " "), devices, nil
}

// place returns the device of an area, and where on it the area begins, in bytes.
func (b *builder) place(a Area) (volume.Base, int64, error) {
	size := b.p.vg.ExtentSize
	if a.PV == nil {
		d, err := b.on(a.LV, "")
		return d, a.Extent * size, err
	}
	if a.PV.Member == nil {
		return nil, 0, errors.New(a.PV.missing())
	}
	b.bases = append(b.bases, a.PV.Member)
	return a.PV.Member, a.PV.Start + a.Extent*size, nil
}

// word returns a word of the metadata for a table, if it is one.
func word(s string) (string, error) {
	if s == "" || s == "@" || s == "$" || len(s) > 64 || strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		return "", fmt.Errorf("%.64q is not a setting that the kernel could have", s)
	}
	return s, nil
}
