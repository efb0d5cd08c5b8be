package unboot

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume/part"
)

// findDevices makes the graph of devices: those that the kernel has, with what
// the scans know of them. A device that has not changed since the last time keeps its
// place in memory. keys are asked for what is encrypted.
func (img *Image) findDevices(ctx context.Context, found []*scan, keys []keySource) error {
	g := img.newGraph()
	nodes, err := img.partitions()
	if err != nil {
		return fmt.Errorf("%s: reading the kernel's partitions: %w", found[0].path, err)
	}
	var errs []error
	for _, s := range found {
		err := error(nil)
		if !s.stays {
			err = g.addScan(s, nodes[s.name])
		}
		switch {
		case err != nil && len(g.old.disks) == 0:
			return err // there is nothing to keep
		case err != nil || s.stays:
			g.keepDisk("/dev/" + s.name)
			errs = append(errs, err)
		}
	}
	g.addVolumes(ctx, found, keys)
	g.keepLoops()
	g.publish()
	return errors.Join(append(errs, g.errs...)...)
}

// addScan adds a disk and those of its partitions for which the kernel has nodes.
func (g *graph) addScan(s *scan, nodes []node) error {
	nodes, err := g.img.addMissing(s, nodes)
	if err != nil {
		return fmt.Errorf("%s: telling the kernel of the partitions: %w", s.path, err)
	}
	var parts []*Device
	for _, n := range nodes {
		d, err := g.img.partition(s, n)
		if err != nil {
			return fmt.Errorf("%s: partition %d: %w", s.path, n.number, err)
		}
		if o := g.old.named(d.Name); o != nil && s.busy[n.number] {
			d = o
		}
		parts = append(parts, d)
	}
	d := &Disk{Path: s.path, Name: "/dev/" + s.name, Size: s.size, SectorSize: s.sectorSize, Table: s.foreign,
		Stored: s.stored, raw: isHostFile(s.dev), whole: s.whole}
	if s.table != nil {
		d.Table, d.UUID = s.table.Type, s.table.ID
	}
	g.addDisk(d)
	g.notes[d.Name] = s.note
	s.checkSize(0, s.content, s.size)
	whole := g.add(&Device{Name: d.Name, Kind: KindDisk, Size: s.size, Content: s.content, Problems: s.problems[0]})
	for _, p := range parts {
		g.add(p, whole)
	}
	return nil
}

// keepDisk adds a disk as it was before, with its partitions.
func (g *graph) keepDisk(name string) {
	for _, d := range g.old.disks {
		if d.Name == name {
			g.disks = append(g.disks, d)
		}
	}
	g.notes[name] = g.old.notes[name]
	whole := g.add(g.old.named(name))
	for _, p := range g.old.children[whole] {
		if p.Kind == KindPartition {
			g.add(p, whole)
		}
	}
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
		if err != nil || err2 != nil {
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
func (img *Image) partition(s *scan, n node) (*Device, error) {
	number := s.tableNumber(n.number)
	d := &Device{Name: "/dev/" + s.name + strconv.Itoa(number), Kind: KindPartition}
	if number != n.number {
		d.Aliases = []string{"/dev/" + n.name}
	}
	defer func() {
		s.checkSize(number, d.Content, d.Size)
		d.Problems = s.problems[number]
	}()
	if e := s.entry(number); e != nil {
		d.Size = min(e.Size, s.size-e.Start)
		d.Partition = &Partition{
			Number: number, Start: e.Start, Table: s.table.Type, Type: e.Type, TypeName: e.TypeName,
			Name: e.Name, UUID: e.UUID, Bootable: e.Bootable,
		}
		d.Content = s.parts[number]
		// The kernel shows only the first KiB of an extended partition.
		if e.Extended || d.Size/1024 == n.blocks {
			return d, nil
		}
	} else {
		d.Partition = &Partition{Number: number}
	}
	var err error
	if d.Partition.Start, err = img.sysfs(s.name, n.name, "start"); err != nil {
		return nil, err
	}
	if d.Size, err = img.sysfs(s.name, n.name, "size"); err != nil {
		return nil, err
	}
	delete(s.problems, number) // of a look at another range
	d.Content = s.probe(number, d.Partition.Start, d.Size)
	return d, nil
}

// entry returns the entry of the table with a number, or nil.
func (s *scan) entry(number int) *part.Partition {
	if s.table == nil {
		return nil
	}
	i := slices.IndexFunc(s.table.Partitions, func(p part.Partition) bool { return p.Number == number })
	if i < 0 {
		return nil
	}
	return &s.table.Partitions[i]
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
