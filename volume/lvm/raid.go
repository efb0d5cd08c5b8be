package lvm

import (
	"fmt"
	"math"
	"strings"

	"github.com/unboot/unboot/volume"
)

// parity has the types of RAID, and how many images each can do without. Those of raid1
// and raid10 are counted otherwise.
var parity = map[string]int{
	"raid0": 0, "raid0_meta": 0, "raid1": 0, "raid10": 0, "raid4": 1,
	"raid5_n": 1, "raid5_la": 1, "raid5_ra": 1, "raid5_ls": 1, "raid5_rs": 1,
	"raid6_n_6": 2, "raid6_zr": 2, "raid6_nr": 2, "raid6_nc": 2,
	"raid6_ls_6": 2, "raid6_rs_6": 2, "raid6_la_6": 2, "raid6_ra_6": 2,
}

// maxImages is the kernel's limit, by the size of bitmaps in dm-raid's superblock.
const maxImages = 253

// raid makes the line of a RAID: see the kernel's dm-raid.rst.
func (b *builder) raid(r span, s *Segment) error {
	if len(s.Areas) > maxImages {
		return fmt.Errorf("%d images are more than the kernel's %d", len(s.Areas), maxImages)
	}
	var words []string
	var devices []volume.Base
	lost := make([]error, len(s.Areas))
	for i := range s.Areas {
		meta, data, err := b.image(s, i)
		lost[i] = err
		for _, d := range []volume.Base{meta, data} {
			if d == nil || err != nil {
				words = append(words, "-")
				continue
			}
			words, devices = append(words, "@"), append(devices, d)
		}
	}
	problems, enough := s.degraded(lost)
	if !enough {
		return fmt.Errorf("too many images are missing: %w", several(problems))
	}
	if len(problems) > 0 {
		b.v.Problems = append(b.v.Problems, "degraded: "+several(problems).Error())
	}
	kind := strings.TrimSuffix(s.Type, "_meta")
	args := append([]string{fmt.Sprint(s.StripeSize / sector)}, s.raidArgs()...)
	b.line(r.start, r.size, "raid", fmt.Sprintf("%s %d %s %d %s",
		kind, len(args), strings.Join(args, " "), len(s.Areas), strings.Join(words, " ")), devices...)
	return nil
}

// image returns the devices of an image and of its metadata, which is nil if there is none.
// One that was split off for a while, and is visible and read-only then, is not used.
func (b *builder) image(s *Segment, i int) (meta, data volume.Base, err error) {
	lv := s.Areas[i].LV
	if lv.Has("VISIBLE") && !lv.Has("WRITE") {
		return nil, nil, fmt.Errorf("%s is split off", lv.Name)
	}
	if data, err = b.on(lv, ""); err == nil && s.Metas[i] != nil {
		meta, err = b.on(s.Metas[i], "")
	}
	return meta, data, err
}

// degraded returns what is missing, and whether the RAID can do without.
func (s *Segment) degraded(lost []error) (problems []string, enough bool) {
	n := len(lost)
	for i, err := range lost {
		if err != nil {
			problems = append(problems, fmt.Sprintf("image %d is missing: %v", i, err))
		}
	}
	switch s.Type {
	case "raid1":
		return problems, len(problems) < n
	case "raid10":
		// Copies of a chunk are on images that follow each other, and go on at the first one
		// after the last. No such row may be lost as a whole.
		copies := int(s.copies())
		for i := 0; i < n*copies; i += copies {
			gone := 0
			for j := range copies {
				if lost[(i+j)%n] != nil {
					gone++
				}
			}
			if gone == copies {
				return problems, false
			}
		}
		return problems, true
	}
	return problems, len(problems) <= parity[s.Type]
}

// copies returns how many copies of its data a raid10 has.
func (s *Segment) copies() int64 {
	if n, ok := s.rest.int("data_copies", 2, maxImages); ok {
		return n
	}
	return 2
}

// raidArgs returns the optional arguments in the order in which LVM gives them.
func (s *Segment) raidArgs() (args []string) {
	if strings.HasPrefix(s.Type, "raid0") {
		return nil
	}
	add := func(name string, value int64) { args = append(args, name, fmt.Sprint(value)) }
	number := func(name, key string) {
		if n, ok := s.rest.int(key, 1, math.MaxUint32); ok {
			add(name, n)
		}
	}
	each := func(name, flag string) {
		for i, a := range s.Areas {
			if a.LV.Has(flag) {
				add(name, int64(i))
			}
		}
	}
	each("rebuild", "REBUILD")
	number("min_recovery_rate", "min_recovery_rate")
	number("max_recovery_rate", "max_recovery_rate")
	if s.Type == "raid1" {
		each("write_mostly", "WRITEMOSTLY")
		number("max_write_behind", "writebehind")
	}
	if s.RegionSize > 0 {
		add("region_size", s.RegionSize/sector)
	}
	if s.Type == "raid10" {
		add("raid10_copies", s.copies())
	}
	var delta int64
	for _, a := range s.Areas {
		switch {
		case a.LV.Has("RESHAPE_DELTA_DISKS_PLUS"):
			delta++
		case a.LV.Has("RESHAPE_DELTA_DISKS_MINUS"):
			delta--
		}
	}
	if delta != 0 {
		add("delta_disks", delta)
	}
	// 1 stands for the offset 0, which the metadata has too while a reshape begins there.
	if n, ok := s.rest.int("data_offset", 0, math.MaxUint32); ok {
		if n == 1 {
			n = 0
		}
		add("data_offset", n)
	}
	return args
}
