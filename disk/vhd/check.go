package vhd

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/tables"
)

// Check looks through the tables of an image. A footer whose copy has to serve for it, or
// differs, entries that lead past the end of the file, and blocks in the place of something else
// are errors; room for blocks to which nothing refers is a leak. Of a fixed image, only the
// footer can be wrong, and the size.
//
// RepairLeaks cuts off the file after the last block. RepairAll does so too, and writes the
// footer, or its copy, anew. Leaks between blocks remain. Data that is not there, or is two
// blocks', is not made up: these errors remain. The parent is not looked at.
func Check(d disk.Device, path string, repair disk.Repair) (disk.CheckResult, error) {
	c := &checker{m: &Image{path: path, file: d}}
	err := c.check(repair)
	return c.CheckResult, c.m.wrap("check", err)
}

type checker struct {
	disk.CheckResult
	m     *Image
	spans []span
}

// A span is a part of the file that is taken.
type span struct {
	what    string // "" of a block
	block   int64
	at, end int64
}

func (s span) String() string {
	if s.what != "" {
		return s.what
	}
	return fmt.Sprint("block ", s.block)
}

func (c *checker) fault(format string, args ...any) {
	c.Errors++
	c.Problem(format, args...)
}

func (c *checker) check(repair disk.Repair) (err error) {
	m := c.m
	if m.f, m.end, err = ReadFooter(m.file); err != nil {
		return err
	}
	m.size = m.f.Size()
	if m.f.Kind == Fixed {
		c.EndsAt(m.size, m.end)
		if m.size > m.end {
			c.fault("a disk of %d bytes of which the file has %d (was it truncated?)", m.size, m.end)
		}
		return nil
	}
	if m.h, err = readHeader(m.file, m.f, m.size); err != nil {
		return err
	}
	if n := m.h.blocks(m.size); n > maxScan {
		return damaged("%d blocks, which are too many to check", n)
	}
	m.tables = tables.NewCache(tableCache).File(m.file)
	size := m.file.Size()
	tail, errTail := footerAt(m.file, size-footerSize, footerSize)
	head, errHead := footerAt(m.file, 0, footerSize)
	m.end = size
	if errTail == nil {
		m.end -= footerSize
	}
	leaks := c.survey()
	bad := c.Errors
	end := roundUp(c.spans[len(c.spans)-1].end, sector)
	used := end
	if len(c.spans) > 0 && c.spans[len(c.spans)-1].what != "" {
		used = roundUp(end, 4096) // Hyper-V fills up the table with ones
	}
	c.EndsAt(used, m.end)
	if errHead != nil {
		c.fault("the copy of the footer, at the beginning: %v", errHead)
	}
	switch {
	case errTail != nil:
		c.fault("the footer, at the end: %v", errTail)
		if size > end {
			end = roundUp(size, sector) // what is there may be anything
		}
	case errHead == nil && head.raw != tail.raw:
		c.fault("the footer and its copy, at the beginning, differ")
		end = m.end
	}
	if c.Leaks = leaks; leaks > 0 {
		c.Problem("there is room for %d blocks in the file that are not of the disk", leaks)
	}
	if bad > 0 || repair == disk.RepairNothing {
		return nil
	}
	return c.repair(repair == disk.RepairAll, end)
}

// survey looks where the blocks are, and returns for how many more there is room.
func (c *checker) survey() (leaks int64) {
	m := c.m
	c.spans = []span{
		{"the copy of the footer", 0, 0, footerSize},
		{"the dynamic header", 0, int64(m.f.header), int64(m.f.header) + headerSize},
		{"the block allocation table", 0, m.h.table, roundUp(m.h.table+m.h.blocks(m.size)*4, sector)},
	}
	for b := m.h.locators; len(b) > 0; b = b[locatorSize:] {
		if n, at := int64(be.Uint32(b[8:])), be.Uint64(b[16:]); n > 0 && n <= maxLocator && at < maxFile && string(b[:4]) != "\x00\x00\x00\x00" {
			c.spans = append(c.spans, span{"the name of the parent", 0, int64(at), int64(at) + n})
		}
	}
	for i := range m.h.blocks(m.size) {
		at, err := m.blockAt(i)
		end := at + m.h.bitmap + m.h.block
		switch {
		case err != nil:
			c.fault("%v", err)
		case at == 0:
		case end > m.end:
			c.fault("block %d ends at %d, past the end of the file, where the footer is at %d", i, end, m.end)
		default:
			c.spans = append(c.spans, span{"", i, at, end})
		}
	}
	slices.SortStableFunc(c.spans, func(a, b span) int { return cmp.Compare(a.at, b.at) })
	unit, last := m.h.bitmap+m.h.block, c.spans[0]
	for _, s := range append(c.spans[1:len(c.spans):len(c.spans)], span{at: m.end, end: m.end, what: "the footer"}) {
		if s.at < last.end {
			c.fault("%v is at %d, where %v is as well", s, s.at, last)
		}
		leaks += max(s.at-last.end, 0) / unit
		if s.end > last.end {
			last = s
		}
	}
	return leaks
}

// repair has the footer at end, where the file is cut off, and at the beginning.
func (c *checker) repair(all bool, end int64) error {
	m := c.m
	if c.Errors > 0 && !all {
		return nil
	}
	cut := int64(0)
	if m.end > end {
		cut = (m.end - end) / (m.h.bitmap + m.h.block)
	}
	if c.Errors == 0 && cut == 0 {
		return nil
	}
	for _, at := range []int64{end, 0} {
		if _, err := m.file.WriteAt(m.f.raw[:], at); err != nil {
			return err
		}
		if err := m.file.Flush(); err != nil {
			return err
		}
	}
	c.ErrorsFixed = c.Errors
	if r, ok := disk.As[disk.Resizer](m.file); ok && cut > 0 {
		if err := r.Resize(end + footerSize); err != nil {
			return err
		}
		c.LeaksFixed = cut
		return m.file.Flush()
	}
	return nil
}
