package vdi

import (
	"fmt"
	"io/fs"

	"github.com/unboot/unboot/disk"
)

// Check looks through the block map of an image: entries that lie past the end of the map
// or the file, and two blocks in one place, are errors. A header that does not say how
// many places are taken is one too, as in QEMU; places without a block are leaks.
//
// RepairLeaks has the last blocks take the places that have none, and cuts off the file
// after them; RepairAll does so too, and sets the number in the header. Data that is not
// there, or is two blocks', is not made up: these errors remain. The parent is not looked
// at.
func Check(d disk.Device, path string, repair disk.Repair) (disk.CheckResult, error) {
	c := &checker{m: &Image{path: path, file: d, writable: true}}
	err := c.check(repair)
	if err != nil {
		if _, ok := err.(*fs.PathError); !ok {
			err = &fs.PathError{Op: "check", Path: path, Err: err}
		}
	}
	return c.result, err
}

type checker struct {
	m      *Image
	result disk.CheckResult
}

func (c *checker) problem(n *int64, format string, args ...any) {
	*n++
	c.result.Problem(format, args...)
}

func (c *checker) check(repair disk.Repair) (err error) {
	m := c.m
	if m.h, err = ReadHeader(m.file); err != nil {
		return err
	}
	if end := m.h.mapAt + m.h.Blocks*4; end > m.file.Size() {
		c.problem(&c.result.Errors, "the block map ends at %d, past the end of the file, which has %d bytes", end, m.file.Size())
		return nil
	}
	m.used = newBitmap(m.h.Blocks)
	taken := int64(0)
	size := m.file.Size()
	for block, e := range m.entries() {
		switch {
		case e.err != nil:
			c.problem(&c.result.Errors, "%v", e.err)
		case e.value >= entryZero:
		case int64(e.value) >= m.h.Blocks:
			c.problem(&c.result.Errors, "block %d is the one number %d of %d in the file", block, e.value, m.h.Blocks)
		case !m.used.set(int64(e.value)):
			c.problem(&c.result.Errors, "block %d is the one number %d in the file, and so is another one", block, e.value)
		case m.h.dataOf(int64(e.value)) >= size:
			c.problem(&c.result.Errors, "block %d is at %d, past the end of the file", block, m.h.dataOf(int64(e.value)))
			taken++
			m.end = max(m.end, int64(e.value)+1)
		default:
			taken++
			m.end = max(m.end, int64(e.value)+1)
		}
	}
	bad := c.result.Errors
	c.result.EndsAt(m.h.dataOf(m.end)-m.h.extra, size)
	if leaks := m.end - taken; leaks > 0 {
		c.result.Leaks = leaks
		c.result.Problems = append(c.result.Problems, fmt.Sprintf("%d places in the file have no block", leaks))
	}
	if m.h.Allocated != m.end {
		c.problem(&c.result.Errors, "the header says that %d places are taken, and %d are", m.h.Allocated, m.end)
	}
	if repair == disk.RepairNothing || bad > 0 {
		return nil
	}
	return c.repair(repair, taken)
}

// repair moves the last blocks to the free places, one after the other: each is copied,
// and stable, before the block map says so.
func (c *checker) repair(repair disk.Repair, taken int64) error {
	m := c.m
	header := m.h.Allocated != m.end
	if c.result.Leaks > 0 {
		if err := c.compact(taken); err != nil {
			return err
		}
		c.result.LeaksFixed = c.result.Leaks
	}
	if header && repair != disk.RepairAll && c.result.LeaksFixed == 0 {
		return nil
	}
	var b [4]byte
	le.PutUint32(b[:], uint32(taken))
	if err := m.patchHeader(b[:], allocatedAt); err != nil {
		return err
	}
	if header {
		c.result.ErrorsFixed++
	}
	return m.file.Flush()
}

func (c *checker) compact(taken int64) error {
	m := c.m
	// Only blocks in places from taken on move, and there are places for all of them.
	moves := map[int64]uint32{}
	for block, e := range m.entries() {
		if e.err != nil {
			return e.err
		}
		if e.value < entryZero && int64(e.value) >= taken {
			moves[block] = e.value
			if len(moves) >= 1<<16 {
				break
			}
		}
	}
	buf := make([]byte, m.h.BlockSize)
	for block, from := range moves {
		to := m.used.firstFree()
		if err := m.readData(buf, 0, m.h.dataOf(int64(from))); err != nil {
			return err
		}
		if _, err := m.file.WriteAt(buf, m.h.dataOf(to)); err != nil {
			return err
		}
		if err := m.file.Flush(); err != nil {
			return err
		}
		at := m.h.mapAt + block*4
		sector := make([]byte, sectorSize)
		if err := readFull(m.file, sector, at&^(sectorSize-1)); err != nil {
			return err
		}
		le.PutUint32(sector[at%sectorSize:], uint32(to))
		if _, err := m.file.WriteAt(sector, at&^(sectorSize-1)); err != nil {
			return err
		}
		m.used.set(to)
	}
	if len(moves) >= 1<<16 {
		return c.compact(taken)
	}
	if err := m.file.Flush(); err != nil {
		return err
	}
	if r, ok := disk.As[disk.Resizer](m.file); ok && m.file.Size() > m.h.dataOf(taken) {
		return r.Resize(m.h.dataOf(taken) - m.h.extra)
	}
	return nil
}
