package lvm

import (
	"fmt"
	"math"
	"strings"
)

// writecache makes the line of a volume whose writes go to a faster one first: see the
// kernel's writecache.rst.
func (b *builder) writecache(r span, s *Segment) error {
	origin, err := b.on(s.Areas[0].LV, "")
	if err != nil {
		return err
	}
	cache, err := b.on(s.Pool, "")
	if err != nil {
		return err
	}
	block, ok := s.rest.int("writecache_block_size", 512, 1<<16)
	if !ok {
		return fmt.Errorf("the cache's blocks have no size")
	}
	args, err := s.writecacheArgs()
	if err != nil {
		return err
	}
	params := fmt.Sprintf("s @ @ %d %d %s", block, len(args), strings.Join(args, " "))
	b.line(r.start, r.size, "writecache", strings.TrimSuffix(params, " "), origin, cache)
	return nil
}

// writecacheArgs returns the optional arguments in the order in which LVM gives them.
func (s *Segment) writecacheArgs() (args []string, err error) {
	number := func(keys ...string) {
		for _, key := range keys {
			if n, ok := s.rest.int(key, 0, math.MaxInt64); ok {
				args = append(args, key, fmt.Sprint(n))
			}
		}
	}
	number("high_watermark", "low_watermark", "writeback_jobs", "autocommit_blocks", "autocommit_time")
	for _, key := range []string{"fua", "nofua"} {
		if s.rest.get(key) != nil {
			args = append(args, key)
		}
	}
	if n, _ := s.rest.int("cleaner", 0, math.MaxUint32); n != 0 {
		args = append(args, "cleaner")
	}
	number("max_age")
	if key := s.rest.text("writecache_setting_key"); key != "" {
		for _, w := range []string{key, s.rest.text("writecache_setting_val")} {
			if w, err = word(w); err != nil {
				return nil, err
			}
			args = append(args, w)
		}
	}
	return args, nil
}
