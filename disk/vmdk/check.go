package vmdk

import (
	"fmt"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/tables"
)

// maxSeen bounds what is kept of the sectors that are taken, in bytes: that is enough for
// files of up to 512 GiB. In larger ones, it is not looked for two things in one place.
const maxSeen = 128 << 20

// Check looks through the tables of the sparse extent that is in a file, be it an image by
// itself or an extent of one. Entries that lead past the end of the file, two grains in one
// place, and directories that do not say the same are errors; room for grains that
// nothing refers to is a leak. An image whose extents are in other files is one for
// each of them.
//
// RepairLeaks cuts off the file after the last grain; RepairAll does so too, and has the
// redundant tables say what the others say. An entry that leads past the end takes what the
// redundant one says, if that can be. What is left is not made up: these errors
// remain.
func Check(d disk.Device, path string, repair disk.Repair) (disk.CheckResult, error) {
	c := &checker{}
	if err := c.check(d, repair); err != nil {
		return c.result, (&Image{path: path}).wrap("check", err)
	}
	return c.result, nil
}

type checker struct {
	result disk.CheckResult
	s      *sparse
	seen   []uint64 // the sectors that are taken, a bit each, or nil
	end    int64    // of the last grain or table
	repair bool
}

func (c *checker) problem(n *int64, format string, args ...any) {
	*n++
	c.result.Problem(format, args...)
}

func (c *checker) check(d disk.Device, repair disk.Repair) error {
	head := make([]byte, sectorSize)
	if n, err := d.ReadAt(head, 0); n < 4 {
		return readFullError(n, err)
	}
	if isDescriptor(head) {
		desc, err := readDescriptor(d, 0, d.Size())
		if err == nil {
			_, err = desc.size()
		}
		return err // the extents are in other files
	}
	g, h, err := readGeometry(d)
	if err != nil {
		return err
	}
	if c.s, err = g.open(d, tables.NewCache(tableCache)); err != nil {
		return err
	}
	if h != nil {
		c.end = h.overhead * sectorSize
	}
	c.repair = repair == disk.RepairAll && h != nil && !h.compressed
	if n := d.Size()/sectorSize/64 + 1; n*8 <= maxSeen && !g.compressed {
		c.seen = make([]uint64, n)
	}
	c.take(0, sectorSize, "the header")
	if h != nil && h.descriptor != 0 {
		c.take(h.descriptor*sectorSize, h.descSize*sectorSize, "the descriptor")
	}
	for _, directory := range c.s.directories() {
		c.take(directory, c.s.tables*c.s.width(), "a grain directory")
	}
	if err := c.walk(); err != nil {
		return err
	}
	if h == nil || g.compressed {
		return nil
	}
	return c.finish(d, h, repair)
}

// walk looks at all grains.
func (c *checker) walk() error {
	s := c.s
	grains := (s.capacity + s.grain - 1) / s.grain
	for first := int64(0); first < grains; first += s.entries {
		table, err := s.tableFor(s.directory, first)
		if err != nil {
			c.problem(&c.result.Errors, "%v", err)
			continue
		}
		other := int64(0)
		if s.redundant != 0 {
			if other, err = s.tableFor(s.redundant, first); err != nil {
				c.problem(&c.result.Errors, "%v", err)
			} else if (other == 0) != (table == 0) {
				c.problem(&c.result.Errors, "only one of the grain directories has a table for grain %d", first)
				other = 0
			}
		}
		for _, t := range []int64{table, other} {
			if t != 0 {
				c.take(t, s.entries*s.width(), "a grain table")
			}
		}
		if table == 0 {
			continue
		}
		if err := c.table(table, other, first, min(s.entries, grains-first)); err != nil {
			return err
		}
	}
	return nil
}

// table looks at the n grains of a table.
func (c *checker) table(table, other, first, n int64) error {
	s := c.s
	w := walk{s: s, number: first / s.entries, table: table}
	o := walk{s: s, number: first / s.entries, table: other}
	for g := first; g < first+n; g++ {
		e, err := w.entry(g)
		if err != nil {
			c.problem(&c.result.Errors, "%v", err)
			return nil
		}
		second := e
		if other != 0 {
			if second, err = o.entry(g); err != nil {
				c.problem(&c.result.Errors, "%v", err)
				other = 0
				second = e
			}
		}
		bad := c.fault(g, e)
		switch {
		case bad != "" && second != e && c.fault(g, second) == "":
			c.problem(&c.result.Errors, "%s; the redundant table has another place for it", bad)
			if err := c.set(table, g, second); err != nil {
				return err
			}
			e, bad = second, ""
		case bad != "":
			c.problem(&c.result.Errors, "%s", bad)
		case second != e:
			c.problem(&c.result.Errors, "the tables of the two directories differ about grain %d", g)
			if err := c.set(other, g, e); err != nil {
				return err
			}
		}
		if host, kind, _ := s.decode(e); bad == "" && kind == disk.Data {
			c.take(host, s.grainSize, "a grain")
		}
	}
	return nil
}

// set repairs an entry.
func (c *checker) set(table, grain int64, e uint64) error {
	if !c.repair {
		return nil
	}
	var b [4]byte
	le.PutUint32(b[:], uint32(e))
	c.result.ErrorsFixed++
	if err := c.s.table.Write(b[:], table+grain%c.s.entries*4); err != nil {
		return err
	}
	if c.s.table.Dirty() < maxDirty {
		return nil
	}
	return c.s.table.WriteBack()
}

// fault says what is wrong with an entry, or "".
func (c *checker) fault(grain int64, e uint64) string {
	host, kind, err := c.s.decode(e)
	switch {
	case err != nil:
		return err.Error()
	case kind != disk.Data && kind != disk.Compressed:
	case host >= c.s.file.Size():
		return fmt.Sprintf("grain %d is at %d, past the end of the file", grain, host)
	case kind == disk.Compressed && c.s.markers:
		b := make([]byte, markerSize)
		if err := readFull(c.s.file, b, host); err != nil {
			return err.Error()
		}
		lba, size := le.Uint64(b), int64(le.Uint32(b[8:]))
		if lba != uint64(grain*c.s.grain) || size == 0 || size > 2*c.s.grainSize {
			return fmt.Sprintf("the marker at %d says sector %d and %d bytes, and not grain %d", host, lba, size, grain)
		}
	}
	return ""
}

// take notes that something takes a part of the file.
func (c *checker) take(at, size int64, what string) {
	c.end = max(c.end, at+size)
	if c.seen == nil {
		return
	}
	for i := at / sectorSize; i < (at+size+sectorSize-1)/sectorSize && i/64 < int64(len(c.seen)); i++ {
		bit := uint64(1) << (i % 64)
		if c.seen[i/64]&bit != 0 {
			c.problem(&c.result.Errors, "%s is at %d, where something else is as well", what, at)
			return
		}
		c.seen[i/64] |= bit
	}
}

// finish repairs what is not in the tables.
func (c *checker) finish(d disk.Device, h *sparseHeader, repair disk.Repair) error {
	c.result.EndsAt(c.end, d.Size())
	if leaks := (d.Size() - c.end) / c.s.grainSize; leaks > 0 {
		c.result.Leaks = leaks
		c.result.Problems = append(c.result.Problems, fmt.Sprintf("the last %d grains of the file are not of the disk", leaks))
	}
	if repair == disk.RepairNothing {
		return nil
	}
	if err := c.s.table.WriteBack(); err != nil {
		return err
	}
	if r, ok := disk.As[disk.Resizer](d); ok && c.result.Leaks > 0 && c.result.Errors == c.result.ErrorsFixed {
		if err := r.Resize(c.end); err != nil {
			return err
		}
		c.result.LeaksFixed = c.result.Leaks
	}
	if h.unclean && c.repair && c.result.Errors == c.result.ErrorsFixed {
		if err := patch(d, []byte{0}, uncleanAt); err != nil {
			return err
		}
	}
	return d.Flush()
}
