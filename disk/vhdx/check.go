package vhdx

import (
	"math/bits"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/tables"
)

// Check looks through the tables of an image. A header or a region table whose copy has to
// serve for it, a log that was not replayed, entries that lead past the end of the file, and
// blocks in the place of something else are errors; room for blocks to which nothing refers is
// a leak.
//
// RepairLeaks cuts off the file after the last block, unless the log was not replayed.
// RepairAll does so too, replays the log, and restores headers and region tables. Leaks
// between blocks remain; they are used when the image is written to next. Data that is not
// there, or is two blocks', is not made up: these errors remain. The parent is not looked at.
func Check(d disk.Device, path string, repair disk.Repair) (disk.CheckResult, error) {
	c := &checker{m: &Image{path: path, file: d, writable: repair == disk.RepairAll}}
	err := c.check(d, repair)
	return c.CheckResult, c.m.wrap("check", err)
}

type checker struct {
	disk.CheckResult
	m *Image
}

// fault notes an error, which is repaired if fixed says so.
func (c *checker) fault(err error, fixed bool) {
	c.Errors++
	if fixed {
		c.ErrorsFixed++
	}
	c.Problem("%v", err)
}

func (c *checker) check(d disk.Device, repair disk.Repair) error {
	all := repair == disk.RepairAll
	_, err1 := headerFrom(d, headerAt1)
	_, err2 := headerFrom(d, headerAt2)
	m := c.m
	if err := m.readTables(); err != nil { // and replay the log
		return err
	}
	log := m.replayed
	if log {
		c.fault(damaged("the log has changes that are not in their places"), all)
	}
	for _, err := range []error{err1, err2} {
		if err != nil {
			c.fault(err, all)
		}
	}
	if all && (err1 != nil || err2 != nil) {
		if err := m.updateHeader(func(*header) {}); err != nil {
			return err
		}
	}
	if err := c.checkRegions(all); err != nil {
		return err
	}
	m.tables = tables.NewCache(tableCache).File(m.file)
	if n := m.meta.entries(); n > maxScan || m.file.Size() > maxFile {
		return damaged("%d entries of the block allocation table in a file of %d bytes, which are too many to check", n, m.file.Size())
	}
	s := newSpace(m.file.Size())
	before := c.Errors
	if err := m.survey(s, func(err error) error { c.fault(err, false); return nil }); err != nil {
		return err
	}
	if c.Errors > before {
		return nil
	}
	return c.leaks(s, repair, log && !all)
}

// checkRegions looks at the region table and its copy.
func (c *checker) checkRegions(repair bool) error {
	at := [2]int64{regionsAt1, regionsAt2}
	var b [2][]byte
	var errs [2]error
	for i := range at {
		b[i], errs[i] = regionTable(c.m.file, at[i])
	}
	for i, err := range errs {
		if err == nil {
			continue
		}
		c.fault(err, repair)
		if !repair {
			continue
		}
		if _, err := c.m.file.WriteAt(b[1-i], at[i]); err != nil {
			return err
		}
		if err := c.m.file.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// leaks looks for what is not taken, and cuts it off from the end of the file.
func (c *checker) leaks(s *space, repair disk.Repair, dirty bool) error {
	last, used := int64(0), int64(0)
	for i, w := range s.taken {
		used += int64(bits.OnesCount64(w))
		if w != 0 {
			last = int64(i)*64 + int64(bits.Len64(w))
		}
	}
	c.EndsAt(last*mib, c.m.file.Size())
	block := c.m.meta.block / mib
	c.Leaks = (s.end/mib - used + block - 1) / block
	if c.Leaks == 0 {
		return nil
	}
	c.Problem("%d bytes of the file, for %d blocks, are not of the disk", s.end-used*mib, c.Leaks)
	r, ok := disk.As[disk.Resizer](c.m.file)
	if repair == disk.RepairNothing || dirty || !ok || last*mib == s.end {
		return nil
	}
	if err := r.Resize(last * mib); err != nil {
		return err
	}
	c.LeaksFixed = c.Leaks - (last-used+block-1)/block
	return c.m.file.Flush()
}
