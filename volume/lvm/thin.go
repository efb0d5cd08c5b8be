package lvm

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/volume"
)

// thinPool makes the line of a thin pool: see the kernel's thin-provisioning.rst.
func (b *builder) thinPool(r span, lv *LV, s *Segment) error {
	meta, err := b.on(s.Metadata, "")
	if err != nil {
		return err
	}
	data, err := b.on(s.Areas[0].LV, "")
	if err != nil {
		return err
	}
	if s.ChunkSize == 0 {
		return errors.New("the pool has no size of chunks")
	}
	var features []string
	if n, _ := s.rest.int("zero_new_blocks", 0, 1); n == 0 {
		features = append(features, "skip_block_zeroing")
	}
	switch s.rest.text("discards") {
	case "passdown":
	case "nopassdown":
		features = append(features, "no_discard_passdown")
	default:
		features = append(features, "ignore_discard")
	}
	if lv.Has("ERROR_WHEN_FULL") {
		features = append(features, "error_if_no_space")
	}
	params := fmt.Sprintf("@ @ %d 0 %d", s.ChunkSize/sector, len(features))
	for _, f := range features {
		params += " " + f
	}
	b.line(r.start, r.size, "thin-pool", params, meta, data)
	return nil
}

// thin makes the line of a thin volume. What a snapshot is to replace is read as the
// snapshot.
func (b *builder) thin(r span, lv *LV, s *Segment) error {
	if s.Merge != nil {
		return fmt.Errorf("it replaces %s, and is read as that", s.Merge.Name)
	}
	id := s.DeviceID
	if lv.MergedFrom != nil {
		id = lv.MergedFrom.Segments[0].DeviceID
	}
	if lv.pending {
		return fmt.Errorf("pool %s was not told yet to make it", s.Pool.Name)
	}
	if s.Pool.segment("thin-pool") == nil {
		return fmt.Errorf("%s is not a thin pool", s.Pool.Name)
	}
	pool, err := b.on(s.Pool, "tpool")
	if err != nil {
		return err
	}
	params, devices := fmt.Sprintf("@ %d", id), []volume.Base{pool}
	if s.External != nil {
		external, err := b.on(s.External, s.External.layer())
		if err != nil {
			return err
		}
		params, devices = params+" @", append(devices, external)
	}
	b.line(r.start, r.size, "thin", params, devices...)
	return nil
}
