package qcow2

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/unboot/unboot/disk"
)

// maxTables is how many L2 tables are looked at by a check.
const maxTables = 8 << 20

// Check looks through the tables of the image on a device, as qemu-img(1) check does, and
// repairs what it may. Reference counts that are wrong are replaced by new ones, in a place
// that was not used. An entry that cannot be is replaced by zeros: what it was about is lost.
// Neither the backing file nor a data file is looked at. Errors are those of reading and
// writing, and of an image the header of which cannot be; they are *fs.PathError.
func Check(d disk.Device, path string, r disk.Repair) (disk.CheckResult, error) {
	c := &checker{file: d, repair: r}
	var err error
	if c.h, err = ReadHeader(d); err == nil {
		err = c.run()
	}
	if err != nil {
		if _, ok := errors.AsType[*fs.PathError](err); !ok {
			err = &fs.PathError{Op: "check", Path: path, Err: err}
		}
	}
	return c.result, err
}

// rebuild repairs an image that was not closed properly.
func (m *Image) rebuild() error {
	c := &checker{file: m.file, h: m.h, repair: disk.RepairAll}
	if err := c.run(); err != nil {
		return err
	}
	if r := c.result; r.ErrorsFixed < r.Errors {
		return damaged("%d errors cannot be repaired: %q", r.Errors-r.ErrorsFixed, r.Problems)
	}
	return nil
}

// checker is a check of one image.
type checker struct {
	file      disk.Device
	h         *Header
	repair    disk.Repair
	result    disk.CheckResult
	snapshots []snapshot
	tally     *tally
	tables    map[int64]uint64 // how many L1 entries refer to an L2 table
	blocks    map[int64]int64  // the refcount blocks, by their indices
	wrong     int64            // reference counts that are too small
	refsBad   bool             // the refcount table or a block is not where it can be
}

func (c *checker) run() error {
	if len(c.h.Unknown) != 0 {
		return fmt.Errorf("%w: %q", ErrFeature, c.h.Unknown)
	}
	if c.h.refcountOrder > 6 {
		return damaged("reference counts of 2^%d bits", c.h.refcountOrder)
	}
	c.tally, c.tables, c.blocks = newTally(), map[int64]uint64{}, map[int64]int64{}
	var err error
	if c.snapshots, err = readSnapshots(c.file, c.h); err != nil {
		return err
	}
	for _, step := range []func() error{c.countFixed, c.countTables, c.countExtensions, c.countRefs, c.compare, c.repairCounts, c.checkCopied, c.finish} {
		if err := step(); err != nil {
			return err
		}
		if err := c.tally.err(); err != nil {
			return err
		}
	}
	return nil
}

// problem counts an error, and reports whether it is to be repaired.
func (c *checker) problem(format string, args ...any) (repair bool) {
	c.result.Errors++
	c.say(format, args...)
	if c.repair != disk.RepairAll {
		return false
	}
	c.result.ErrorsFixed++
	return true
}

func (c *checker) say(format string, args ...any) {
	if len(c.result.Problems) < disk.MaxProblems {
		c.result.Problems = append(c.result.Problems, fmt.Sprintf(format, args...))
	}
}

// inside reports whether a cluster or a part of it can be in the file, the last cluster of
// which may be shorter.
func (c *checker) inside(off int64) bool { return off >= 0 && off < c.file.Size() }

// count counts references to the clusters in which a part of the file is.
func (c *checker) count(off, n int64, times uint64) {
	if n <= 0 {
		return
	}
	for at := off >> c.h.clusterBits; at <= (off+n-1)>>c.h.clusterBits; at++ {
		c.tally.add(at, times)
	}
}

// each has look see a table some KiB at a time, and writes what it has changed, as it says.
func (c *checker) each(off, n int64, look func(b []byte, at int64) (changed bool)) error {
	buf := make([]byte, min(n, 64<<10))
	for at := int64(0); at < n; at += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), n-at)]
		if err := readFull(c.file, buf, off+at); err != nil {
			return fmt.Errorf("read a table at %d: %w", off+at, err)
		}
		if look(buf, at) {
			if _, err := c.file.WriteAt(buf, off+at); err != nil {
				return fmt.Errorf("write a table at %d: %w", off+at, err)
			}
		}
	}
	return nil
}

// countFixed counts the header and the snapshot table.
func (c *checker) countFixed() error {
	c.count(0, int64(c.h.ClusterSize), 1)
	c.count(c.h.snapshotsOffset, tableLength(c.snapshots), 1)
	return nil
}

// countTables counts the L1 and L2 tables, and what these refer to.
func (c *checker) countTables() error {
	if err := c.countL1(c.h.l1Offset, c.h.l1Size); err != nil {
		return err
	}
	for _, s := range c.snapshots {
		if err := c.countL1(s.l1Offset, s.l1Size); err != nil {
			return fmt.Errorf("snapshot %q: %w", s.name, err)
		}
	}
	return c.countL2s()
}

// countL2s counts the L2 tables that L1 tables refer to, and what they refer to.
func (c *checker) countL2s() error {
	tables := make([]int64, 0, len(c.tables))
	for off := range c.tables {
		tables = append(tables, off)
	}
	slices.Sort(tables)
	for _, off := range tables {
		c.count(off, int64(c.h.ClusterSize), c.tables[off])
		if err := c.countL2(off, c.tables[off]); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) countL1(off int64, entries uint32) error {
	c.count(off, int64(entries)*8, 1)
	size := int64(c.h.ClusterSize)
	tooMany := false
	err := c.each(off, int64(entries)*8, func(b []byte, at int64) (changed bool) {
		for ; len(b) > 0; b, at = b[8:], at+8 {
			entry := be.Uint64(b)
			table := int64(entry & entryOffset)
			switch {
			case table == 0:
			case table&(size-1) != 0 || table > c.file.Size()-size:
				if c.problem("entry %d of the L1 table at %d says that the L2 table is at %d", at/8, off, table) {
					be.PutUint64(b, 0)
					changed = true
				}
			case len(c.tables) == maxTables:
				tooMany = true
			default:
				c.tables[table]++
			}
		}
		return changed
	})
	if tooMany {
		return fmt.Errorf("more than %d L2 tables", maxTables)
	}
	return err
}

// countL2 counts what an L2 table refers to, which so many L1 entries refer to.
func (c *checker) countL2(off int64, times uint64) error {
	size := c.h.entrySize()
	return c.each(off, int64(c.h.ClusterSize), func(b []byte, at int64) (changed bool) {
		for ; len(b) > 0; b, at = b[size:], at+int64(size) {
			e := l2Entry{entry: be.Uint64(b)}
			if size == 16 {
				e.bitmap = be.Uint64(b[8:])
			}
			what := c.countEntry(e, times)
			if what == "" || !c.problem("entry %d of the L2 table at %d: %s", at/int64(size), off, what) {
				continue
			}
			changed = true
			switch {
			case size == 16:
				be.PutUint64(b, 0)
				be.PutUint64(b[8:], (1<<subclusters-1)<<subclusters)
			case c.h.Version < 3:
				be.PutUint64(b, 0)
			default:
				be.PutUint64(b, entryZero)
			}
		}
		return changed
	})
}

// countEntry counts what an L2 entry refers to, or says in words why that cannot be.
func (c *checker) countEntry(e l2Entry, times uint64) string {
	if e.entry&entryCompressed != 0 {
		at, n := c.h.compressedAt(e.entry)
		switch {
		case c.h.ExternalData:
			return "a compressed cluster, in an image with an external data file"
		case !c.inside(at) || !c.inside((at+n-1)&^int64(c.h.ClusterSize-1)):
			return fmt.Sprintf("a compressed cluster at %d, past the end of the file", at)
		case e.entry&entryCopied != 0:
			return fmt.Sprintf("a compressed cluster at %d that is said to be no other's too", at)
		}
		c.count(at, n, times)
		return ""
	}
	host := e.place()
	data, zero := uint32(e.bitmap), uint32(e.bitmap>>32)
	switch {
	case host&int64(c.h.ClusterSize-1) != 0:
		return fmt.Sprintf("a cluster at %d, which is not the start of one", host)
	case c.h.Version < 3 && e.entry&entryZero != 0:
		return "a zero cluster, in an image of version 2"
	case data&zero != 0:
		return "a subcluster that is both data and zeros"
	case c.h.ExternalData:
		return ""
	case data != 0 && host == 0:
		return "subclusters, but no place for them"
	case host != 0 && !c.inside(host):
		return fmt.Sprintf("a cluster at %d, past the end of the file", host)
	}
	if host != 0 {
		c.count(host, int64(c.h.ClusterSize), times)
	}
	return ""
}
