package unboot

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/volume/part"
	"github.com/unboot/unboot/volume/probe"
)

// A reader gives what is to be looked at: the disk of a scan, and a range of it
// that is a partition if number is not 0.
type reader interface {
	io.ReaderAt
	section(number int, start, size int64) io.ReaderAt
}

// hostReader reads past the kernel.
type hostReader struct{ disk.Device }

func (h hostReader) section(_ int, start, size int64) io.ReaderAt {
	return io.NewSectionReader(h, start, size)
}

// A scan is what is found out about a disk without the kernel, or in
// [Image.Rescan] through it.
type scan struct {
	diskSource
	r          reader
	onlyRead   bool // the disk itself is not written to
	size       int64
	end        int64 // where the kernel's disk ends: behind size is nothing but zeros
	sectorSize int
	table      *part.Table // nil if there is none
	foreign    string      // the name of one that only the kernel reads
	content    *probe.Info // of the whole disk
	array      *probe.Info // that the partitions are members of, or nil
	parts      map[int]*probe.Info
	note       string // what a disk looks like on which nothing was found
	problems   []string
	whole      int64  // bytes that are really there, if that is less than size; or 0
	name       string // that the kernel gave it
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
	s.readContents()
	s.end = s.size
	if s.onlyRead {
		s.complete()
	} else if rest := s.size % int64(s.sectorSize); rest != 0 {
		s.problem("the last %d bytes are not a whole sector, and out of reach for writing", rest)
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
			s.problem("%v", err)
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
	s.problems = append(s.problems, s.table.Problems...)
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
	what, look := "the disk", probe.Probe
	if number != 0 {
		what, look = fmt.Sprintf("partition %d", number), probe.Partition
	}
	c, err := look(s.r.section(number, start, size), size)
	if err != nil {
		s.problem("%s: %v", what, err)
	}
	if c == nil || c.Type == "" {
		c = nil
	}
	if number != 0 {
		c = s.asMember(number, c)
	}
	if c == nil {
		return nil
	}
	if c.Size > size && c.Devices <= 1 {
		s.problem("%s: the %s of %d bytes is larger than its device of %d bytes", what, c.Type, c.Size, size)
	}
	return c
}

func (s *scan) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

// findDevices makes the list of devices: those that the kernel has, with what
// the scans know of them. What has not changed since the last time keeps its
// place in memory.
func (img *Image) findDevices(found []*scan) error {
	nodes, err := img.partitions()
	if err != nil {
		return fmt.Errorf("%s: reading the kernel's partitions: %w", found[0].path, err)
	}
	list := inventory{notes: map[string]string{}}
	for i, s := range found {
		d := &Disk{Path: s.path, Name: "/dev/" + s.name, Size: s.size, SectorSize: s.sectorSize, Table: s.foreign,
			raw: isHostFile(s.dev), whole: s.whole}
		if s.table != nil {
			d.Table, d.UUID = s.table.Type, s.table.ID
		}
		list.disks = append(list.disks, d)
		list.notes[d.Name] = s.note
		list.devices = append(list.devices, &Device{
			Name: d.Name, Kind: KindDisk, Disk: i, Size: s.size, Content: s.content,
		})
		have, err := img.addMissing(s, nodes[s.name])
		if err != nil {
			return fmt.Errorf("%s: telling the kernel of the partitions: %w", s.path, err)
		}
		for _, n := range have {
			dev, err := img.partition(i, s, n)
			if err != nil {
				return fmt.Errorf("%s: partition %d: %w", s.path, n.number, err)
			}
			list.devices = append(list.devices, dev)
		}
		for _, p := range s.problems {
			if len(found) > 1 {
				p = s.path + ": " + p
			}
			list.problems = append(list.problems, p)
		}
	}
	list.keep(img.found.Load())
	img.found.Store(&list)
	return nil
}

// A node is a partition that the kernel has found.
type node struct {
	name   string
	number int
	blocks int64 // size in KiB, rounded down
}

// partitions returns the partitions of each disk, in the order of their
// numbers, from proc(5)'s partitions.
func (img *Image) partitions() (map[string][]node, error) {
	text, err := img.k.ReadFile("/proc/partitions", 1<<20)
	if err != nil {
		return nil, err
	}
	nodes := map[string][]node{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		f := strings.Fields(lines.Text()) // major, minor, blocks, name
		if len(f) != 4 {
			continue
		}
		blocks, err := strconv.ParseInt(f[2], 10, 64)
		of := strings.TrimRight(f[3], "0123456789")
		number, err2 := strconv.Atoi(f[3][len(of):])
		if err != nil || err2 != nil || !strings.HasPrefix(of, "sd") {
			continue
		}
		nodes[of] = append(nodes[of], node{f[3], number, blocks})
	}
	for _, list := range nodes {
		sort.Slice(list, func(i, j int) bool { return list[i].number < list[j].number })
	}
	return nodes, nil
}

// partition returns the device of a partition. The kernel's opinion is what
// counts: it may know tables that package part does not, and is alone in what
// can be mounted.
func (img *Image) partition(disk int, s *scan, n node) (*Device, error) {
	number := s.tableNumber(n.number)
	d := &Device{Name: "/dev/" + s.name + strconv.Itoa(number), Kind: KindPartition, Disk: disk, Number: number}
	if s.table != nil {
		for i := range s.table.Partitions {
			p := &s.table.Partitions[i]
			if p.Number != number {
				continue
			}
			d.Start, d.Size = p.Start, min(p.Size, s.size-p.Start)
			d.Partition = &Partition{
				Table: s.table.Type, Type: p.Type, TypeName: p.TypeName,
				Name: p.Name, UUID: p.UUID, Bootable: p.Bootable,
			}
			d.Content = s.parts[number]
			// Of an extended partition the kernel shows the first KiB.
			if p.Extended || d.Size/1024 == n.blocks {
				return d, nil
			}
			break
		}
	}
	var err error
	if d.Start, err = img.sysfs(s.name, n.name, "start"); err != nil {
		return nil, err
	}
	if d.Size, err = img.sysfs(s.name, n.name, "size"); err != nil {
		return nil, err
	}
	d.Content = s.probe(number, d.Start, d.Size)
	if d.Partition == nil {
		d.Partition = &Partition{}
	}
	return d, nil
}

// sysfs reads a number of sectors, which there have always 512 bytes, and
// returns bytes.
func (img *Image) sysfs(disk, name, attr string) (int64, error) {
	text, err := img.k.ReadFile("/sys/block/"+disk+"/"+name+"/"+attr, 64)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 || n > 1<<53 {
		return 0, unix.EINVAL
	}
	return n * 512, nil
}
