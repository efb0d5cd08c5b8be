package lvm

import (
	"fmt"
	"math"
)

// vdoHeader returns the size of what LVM reserves at the begin of a VDO pool, in bytes.
func (s *Segment) vdoHeader() int64 {
	n, _ := s.rest.int("header_size", 0, math.MaxUint32)
	return n * sector
}

// vdoPool makes the line of a VDO device, which compresses and deduplicates: see the
// kernel's vdo.rst. Its size is what it offers, with the header, and not what it takes.
func (b *builder) vdoPool(lv *LV, s *Segment) error {
	data, err := b.on(s.Areas[0].LV, "")
	if err != nil {
		return err
	}
	extents, ok := s.rest.int("virtual_extents", 1, math.MaxInt64/2/lv.VG.ExtentSize)
	if !ok {
		return fmt.Errorf("the pool has no virtual size")
	}
	get := func(key string) int64 {
		n, _ := s.rest.int(key, 0, math.MaxUint32)
		return n
	}
	on := func(key string) string {
		if get(key) != 0 {
			return "on"
		}
		return "off"
	}
	b.v.Size = extents*lv.VG.ExtentSize + 2*s.vdoHeader()
	b.line(0, b.v.Size, "vdo", fmt.Sprintf("V4 @ %d %d %d %d deduplication %s compression %s maxDiscard %d ack %d bio %d "+
		"bioRotationInterval %d cpu %d hash %d logical %d physical %d",
		s.Areas[0].LV.Size/4096, get("minimum_io_size"), get("block_map_cache_size_mb")*256, get("block_map_era_length"),
		on("use_deduplication"), on("use_compression"), get("max_discard"), get("ack_threads"), get("bio_threads"),
		get("bio_rotation"), get("cpu_threads"), get("hash_zone_threads"), get("logical_threads"), get("physical_threads")), data)
	return nil
}

// vdo makes the line of a volume in a VDO pool, after the pool's header.
func (b *builder) vdo(r span, s *Segment) error {
	pool := s.Pool.segment("vdo-pool")
	if pool == nil {
		return fmt.Errorf("%s is not a VDO pool", s.Pool.Name)
	}
	below, err := b.on(s.Pool, "vpool")
	if err != nil {
		return err
	}
	offset, _ := s.rest.int("vdo_offset", 0, maxExtents)
	if (offset+s.Extents)*(b.p.vg.ExtentSize/sector) > maxSectors {
		return fmt.Errorf("it is past the end of any pool")
	}
	b.line(r.start, r.size, "linear", fmt.Sprintf("@ %d", pool.vdoHeader()/sector+offset*(b.p.vg.ExtentSize/sector)), below)
	return nil
}
