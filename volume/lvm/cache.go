package lvm

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/unboot/unboot/volume"
)

// cache makes the line of a cached volume: see the kernel's cache.rst. The settings are
// those of the pool, or, if one volume holds both data and metadata, of the segment.
func (b *builder) cache(r span, s *Segment) error {
	settings := s
	var meta, data volume.Base
	var err error
	if pool := s.Pool.segment("cache-pool"); pool != nil {
		settings = pool
		if meta, err = b.on(pool.Metadata, ""); err == nil {
			data, err = b.on(pool.Areas[0].LV, "")
		}
	} else {
		meta, data, err = b.cacheVolume(s)
	}
	if err != nil {
		return err
	}
	origin, err := b.on(s.Areas[0].LV, "")
	if err != nil {
		return err
	}
	if settings.ChunkSize == 0 {
		return errors.New("the cache has no size of chunks")
	}
	mode, policy, err := settings.cachePolicy()
	if err != nil {
		return err
	}
	if n, _ := s.rest.int("cleaner", 0, math.MaxUint32); n != 0 {
		mode, policy = "writethrough", "cleaner "+settings.cacheArgs("cleaner")
	}
	features := "1 " + mode
	if n, _ := settings.rest.int("metadata_format", 0, math.MaxUint32); n == 2 {
		features = "2 metadata2 " + mode
	}
	b.line(r.start, r.size, "cache", fmt.Sprintf("@ @ @ %d %s %s", settings.ChunkSize/sector, features, policy), meta, data, origin)
	return nil
}

// cachePolicy returns the mode, and the policy with its arguments. What is missing was the
// default when LVM did not write it.
func (s *Segment) cachePolicy() (mode, policy string, err error) {
	switch mode = s.rest.text("cache_mode"); mode {
	case "":
		mode = "writethrough"
	case "writethrough", "writeback", "passthrough":
	default:
		return "", "", fmt.Errorf("cache mode %.64q is not known", mode)
	}
	if policy = s.rest.text("policy"); policy == "" {
		policy = "mq"
	}
	if policy, err = word(policy); err != nil {
		return "", "", err
	}
	return mode, policy + " " + s.cacheArgs(policy), nil
}

// cacheSettings are those that the policies know.
var cacheSettings = map[string][]string{
	"cleaner": {},
	"smq":     {},
	"mq": {"sequential_threshold", "random_threshold", "read_promote_adjustment",
		"write_promote_adjustment", "discard_promote_adjustment"},
}

// cacheArgs returns the count and the arguments of a policy. The threshold for migrations
// is that of the target itself. As in LVM it is at least eight chunks, and not given where
// it is the kernel's default.
func (s *Segment) cacheArgs(policy string) string {
	threshold := int64(2048)
	var args string
	count := 0
	given := s.rest.get("policy_settings")
	for i := 0; given != nil && policy != "cleaner" && i < len(given.list); i++ {
		n := &given.list[i]
		known, ok := cacheSettings[policy]
		switch _, err := word(n.key); {
		case n.kind != number || n.num < 0 || err != nil:
		case n.key == "migration_threshold":
			threshold = n.num
		case !ok || slices.Contains(known, n.key):
			args += fmt.Sprintf(" %s %d", n.key, n.num)
			count += 2
		}
	}
	if threshold = max(threshold, 8*s.ChunkSize/sector); threshold != 2048 {
		args = fmt.Sprintf(" migration_threshold %d", threshold) + args
		count += 2
	}
	return fmt.Sprint(count) + args
}

// cacheVolume returns the parts of a volume that holds a cache's metadata and its data.
func (b *builder) cacheVolume(s *Segment) (meta, data volume.Base, err error) {
	lv := s.Pool
	metaLen, ok := s.rest.int("metadata_len", 1, lv.Size/sector)
	if !ok {
		return nil, nil, fmt.Errorf("the metadata of cache %s has no size", lv.Name)
	}
	dataLen, ok := s.rest.int("data_len", 1, lv.Size/sector-metaLen)
	if !ok {
		return nil, nil, fmt.Errorf("the data of cache %s has no size", lv.Name)
	}
	whole, err := b.on(lv, "")
	if err != nil {
		return nil, nil, err
	}
	part := func(layer, key string, at, length int64) (volume.Base, error) {
		id := compact(s.rest.text(key))
		if id == "" {
			id = compact(lv.UUID)
		}
		v := &volume.Volume{
			Kind: "lvm", Name: QuoteName(b.p.vg.Alias, lv.Name, layer), UUID: lv.VG.deviceUUID(id, layer),
			Size: length * sector, Hidden: true, Info: lv,
		}
		v, err := b.p.plan(device{lv, layer}, v, func(b *builder) error {
			b.line(0, length*sector, "linear", fmt.Sprintf("@ %d", at), whole)
			return nil
		})
		return v, err
	}
	if meta, err = part("cmeta", "metadata_id", 0, metaLen); err == nil {
		data, err = part("cdata", "data_id", metaLen, dataLen)
	}
	return meta, data, err
}
