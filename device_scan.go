package unboot

import (
	"cmp"
	"errors"
	"fmt"
	"io"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/source"
	"github.com/unboot/unboot/volume/part"
	"github.com/unboot/unboot/volume/probe"
)

// A scan is what is found out about a disk without the kernel, or in
// [Image.Rescan] through it.
type scan struct {
	diskSource
	r          io.ReaderAt
	open       func(number int) io.ReaderAt // reads a partition through the kernel, or is nil
	stored     *source.Info
	onlyRead   bool // the disk itself is not written to
	size       int64
	end        int64 // where the kernel's disk ends: past size there are only zeros
	sectorSize int
	table      *part.Table // nil if there is none
	foreign    string      // the name of one that only the kernel reads
	content    *probe.Info // of the whole disk
	array      *probe.Info // that the partitions are members of, or nil
	parts      map[int]*probe.Info
	note       string           // what a disk looks like on which nothing was found
	problems   map[int][]string // by the numbers of partitions, 0 for the disk
	whole      int64            // bytes that are really there, if that is less than size; or 0
	name       string           // that the kernel gave it

	// For a disk that is looked at again:
	busy  map[int]bool // the kernel's numbers of partitions that it keeps as they were
	stays bool         // it cannot be read: everything is as it was
}

// physicalSize returns the size of a physical block that was asked for, or 0 for the
// default.
func (s *scan) physicalSize() int {
	if s.physical == 0 || hostSectorSize(s.dev) != 0 {
		return 0
	}
	return max(s.physical, s.sectorSize)
}

// look reads the partition table, and what each partition holds. What cannot
// be read is a problem, not an error: the rest of the disk may be fine.
func (s *scan) look(sectorSize int) {
	s.readTable(sectorSize)
	s.fetchPartitions()
	s.readContents()
	s.end = s.size
	if s.onlyRead {
		s.complete()
	} else if rest := s.size % int64(s.sectorSize); rest != 0 {
		s.problem(0, "the last %d bytes are not a whole sector, and out of reach for writing", rest)
	}
}

func (s *scan) readTable(sectorSize int) {
	s.sectorSize = cmp.Or(hostSectorSize(s.dev), sectorSize)
	if s.sectorSize == 0 {
		s.sectorSize = part.DetectSectorSize(s.r, s.size)
	}
	// A table counts in sectors of 512 or 4096 bytes only.
	if s.sectorSize == 512 || s.sectorSize == 4096 {
		t, err := part.Read(s.r, s.size, s.sectorSize)
		if err == nil {
			if !t.Unannounced || !s.isWhole() {
				s.table = t
			}
		} else if !errors.Is(err, part.ErrNoTable) {
			s.problem(0, "%v", err)
		} else {
			s.foreign = part.Foreign(s.r, s.size)
		}
	}
}

// isWhole reports whether something is on the whole disk. A table that no MBR announces
// any more is older than that.
func (s *scan) isWhole() bool {
	c, err := probe.Probe(s.r, s.size)
	return err == nil && c.Type != ""
}

func (s *scan) readContents() {
	s.array = nil
	s.content = s.probe(0, 0, s.size)
	s.array = s.findArray()
	if s.table == nil {
		if s.content == nil && s.foreign == "" {
			s.note = disk.Describe(s.r, s.size)
		}
		return
	}
	// An array shows the same table, and has its own end.
	if s.array == nil || s.array.Type == "ldm_member" {
		s.addProblems(0, s.table.Problems...)
	}
	switch {
	case s.array != nil:
		s.content = s.array
	case len(s.table.Partitions) > 0 && !besidePartitions(s.content):
		// Left from an earlier life of the disk: the table was there later.
		s.content = nil
	}
	s.parts = map[int]*probe.Info{}
	for i := range s.table.Partitions {
		p := &s.table.Partitions[i]
		if p.Extended || p.Start >= s.size || p.Size <= 0 {
			continue
		}
		size := min(p.Size, s.size-p.Start)
		s.parts[p.Number] = s.probe(p.Number, p.Start, size)
	}
}

// besidePartitions reports whether a whole disk can hold this although it has
// partitions, as a CD image does that can be booted from a USB stick.
func besidePartitions(c *probe.Info) bool {
	return c != nil && (c.Type == "iso9660" || c.Type == "udf")
}

// probe returns what a partition holds, or the disk if number is 0; or nil.
func (s *scan) probe(number int, start, size int64) *probe.Info {
	look := probe.Probe
	switch {
	case number != 0:
		look = probe.Partition
	case s.table != nil && len(s.table.Partitions) > 0:
		look = probe.Partitioned
	}
	c, err := look(s.section(number, start, size), size)
	if err != nil {
		s.problem(number, "%v", err)
	}
	if c == nil || c.Type == "" {
		c = nil
	}
	if number != 0 {
		c = s.asMember(number, c)
	}
	return c
}

// checkSize notes if what a device holds is larger than it.
func (s *scan) checkSize(number int, c *probe.Info, size int64) {
	if c != nil && c.Size > size && c.Devices <= 1 {
		s.problem(number, "the %s of %d bytes is larger than its device of %d bytes", c.Type, c.Size, size)
	}
}

// section returns what reads a partition, or the disk if number is 0.
func (s *scan) section(number int, start, size int64) io.ReaderAt {
	r := s.r
	if s.open != nil && number != 0 {
		// Data written there through the kernel may not have reached the disk yet.
		// The kernel may not have the partition: then the disk is all there is.
		if p := s.open(number); p != nil {
			r, start = p, 0
		}
	}
	return io.NewSectionReader(r, start, size)
}

// problem notes what is wrong with a partition, or with the disk if number is 0.
func (s *scan) problem(number int, format string, args ...any) {
	s.addProblems(number, fmt.Sprintf(format, args...))
}

func (s *scan) addProblems(number int, texts ...string) {
	if s.problems == nil {
		s.problems = map[int][]string{}
	}
	s.problems[number] = append(s.problems[number], texts...)
}
