package lvm

import (
	"fmt"
	"math"
	"strings"

	"github.com/unboot/unboot/volume"
)

// integrity makes the line of an image of a RAID with checksums: see the kernel's
// dm-integrity.rst. The size is that of the data without them.
func (b *builder) integrity(r span, s *Segment) error {
	sectors, ok := s.rest.int("data_sectors", 1, r.size/sector)
	if !ok {
		return fmt.Errorf("the size of its data is not known")
	}
	origin, err := b.on(s.Areas[0].LV, "")
	if err != nil {
		return err
	}
	tag, _ := s.rest.int("tag_size", 0, math.MaxUint16)
	block, _ := s.rest.int("block_size", 0, 1<<20)
	mode, err := word(s.rest.text("mode"))
	if err != nil {
		return err
	}
	hash, err := word(s.rest.text("internal_hash"))
	if err != nil {
		return err
	}
	devices := []volume.Base{origin}
	args := []string{"fix_padding", fmt.Sprintf("block_size:%d", block), "internal_hash:" + hash}
	if s.Metadata != nil {
		meta, err := b.on(s.Metadata, "")
		if err != nil {
			return err
		}
		args, devices = append(args, "meta_device:@"), append(devices, meta)
	}
	if n, _ := s.rest.int("recalculate", 0, math.MaxUint32); n != 0 {
		args = append(args, "recalculate")
	}
	for _, key := range []string{"journal_sectors", "interleave_sectors", "buffer_sectors", "journal_watermark",
		"commit_time", "bitmap_flush_interval", "sectors_per_bit"} {
		if n, ok := s.rest.int(key, 0, math.MaxInt64); ok {
			args = append(args, fmt.Sprintf("%s:%d", key, n))
		}
	}
	b.v.Size = sectors * sector
	b.line(r.start, sectors*sector, "integrity", fmt.Sprintf("@ 0 %d %s %d %s", tag, mode, len(args), strings.Join(args, " ")), devices...)
	return nil
}
