package vhdx

import (
	"slices"
	"syscall"
)

// maxScan is how many entries the table of an image may have that is written to: those of
// 64 TiB in blocks of 4 MiB.
const maxScan = 1 << 24

// maxGaps is how many places that are free are known at a time.
const maxGaps = 1 << 16

// A space says which parts of the file are taken, in units of 1 MiB, to which everything is
// aligned.
type space struct {
	taken []uint64 // a bit for each unit
	end   int64    // bytes
}

func newSpace(size int64) *space {
	units := (size + mib - 1) / mib
	return &space{make([]uint64, (units+63)/64), units * mib}
}

// take takes a part of the file, and reports whether all of it was there and free.
func (s *space) take(at, n int64) bool {
	if at < 0 || at%mib != 0 || at > s.end || n > s.end-at {
		return false
	}
	free := true
	for u := at / mib; u < (at+n+mib-1)/mib; u++ {
		free = free && s.taken[u/64]>>(u%64)&1 == 0
		s.taken[u/64] |= 1 << (u % 64)
	}
	return free
}

// gaps returns where blocks of n bytes fit between what is taken, the first ones last, up to
// some number.
func (s *space) gaps(n int64) (gaps []int64) {
	run := int64(0)
	for u := int64(0); u < s.end/mib && len(gaps) < maxGaps; u++ {
		if s.taken[u/64]>>(u%64)&1 != 0 {
			run = 0
		} else if run++; run*mib == n {
			gaps = append(gaps, (u+1)*mib-n)
			run = 0
		}
	}
	slices.Reverse(gaps)
	return gaps
}

// prepare looks, before the first change, which parts of the file are taken: two things in one
// place would destroy each other. The caller holds mu.
func (m *Image) prepare() error {
	if m.ready {
		return nil
	}
	if n := m.meta.entries(); n > maxScan {
		return damaged("%d entries of the block allocation table, which are too many to write to", n)
	}
	size := m.file.Size()
	if size > maxFile {
		return damaged("a file of %d bytes", size)
	}
	s := newSpace(size)
	if err := m.survey(s, func(err error) error { return err }); err != nil {
		return err
	}
	m.free = s.gaps(m.meta.block)
	m.end = s.end
	m.ready = true
	return nil
}

// survey takes all that the tables refer to. What is wrong is told to problem, whose error
// ends it.
func (m *Image) survey(s *space, problem func(error) error) error {
	s.take(0, mib)
	for _, r := range m.regions.all {
		if !s.take(r.at, r.end-r.at) && r.end > s.end {
			if err := problem(damaged("the %s at %d lies past the end of the file", r.what, r.at)); err != nil {
				return err
			}
		}
	}
	var reserved []int64 // of blocks that are not there, which may keep their places
	for i := range m.meta.blocks() {
		if m.meta.hasParent && i&(m.meta.ratio-1) == 0 {
			if err := m.surveyBitmap(s, i, problem); err != nil {
				return err
			}
		}
		state, at, err := m.block(i)
		switch {
		case err != nil:
			err = problem(err)
		case state == statePresent, state == statePartial:
			if end := at + m.meta.block; end > s.end {
				err = problem(damaged("block %d ends at %d, past the end of the file, which has %d bytes (was it truncated?)", i, end, m.file.Size()))
			} else if !s.take(at, m.meta.block) {
				err = problem(damaged("block %d is at %d, where something else is as well", i, at))
			}
		default:
			if _, at, err := m.entry(m.entryAt(i)); err == nil && at != 0 && len(reserved) < 1<<20 {
				reserved = append(reserved, at)
			}
		}
		if err != nil {
			return err
		}
	}
	for _, at := range reserved {
		s.take(at, m.meta.block)
	}
	return nil
}

func (m *Image) surveyBitmap(s *space, block int64, problem func(error) error) error {
	state, at, err := m.entry(m.bitmapEntryAt(block))
	switch {
	case err != nil:
		return problem(err)
	case state == stateNotPresent:
		return nil
	case state != statePresent:
		return problem(damaged("the bitmap of block %d is in the state %d", block, state))
	case !s.take(at, bitmapBlock):
		return problem(damaged("the bitmap of block %d is at %d, past the end of the file or where something else is as well", block, at))
	}
	return nil
}

// alloc returns a place for a block, or a bitmap block, of n bytes, which are zeros. The caller
// holds mu.
func (m *Image) alloc(n int64) (int64, error) {
	if last := len(m.free) - 1; n == m.meta.block && last >= 0 {
		at := m.free[last]
		if err := m.zero(at, n); err != nil {
			return 0, err
		}
		m.free = m.free[:last]
		return at, nil
	}
	at := m.end
	if at+n > maxFile {
		return 0, syscall.EFBIG
	}
	if err := grow(m.file, at+n); err != nil {
		return 0, err
	}
	m.end = at + n
	return at, nil
}
