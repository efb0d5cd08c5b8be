package ldm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// where returns the device that a partition lies on, and the sector at which it begins.
func (b *builder) where(p *Partition) (*volume.Member, int64, error) {
	d := p.Disk
	switch {
	case d == nil:
		return nil, 0, fmt.Errorf("the partition %q lies on a disk that the database does not know", p.Name)
	case d.Member == nil:
		return nil, 0, fmt.Errorf("the disk %q (%s) with the partition %q is missing", d.Name, d.GUID, p.Name)
	case d.twins:
		return nil, 0, fmt.Errorf("several devices claim to be the disk %q with the partition %q", d.Name, p.Name)
	case p.overlaps != "":
		return nil, 0, fmt.Errorf("the partitions %q and %q of the disk %q (%s) overlap", p.Name, p.overlaps, d.Name, d.Member.Name)
	case p.Size == 0:
		return nil, 0, fmt.Errorf("the partition %q is empty", p.Name)
	case d.DataStart > d.Member.Size || p.Size > d.Member.Size || p.Start > d.Member.Size-d.DataStart-p.Size:
		return nil, 0, fmt.Errorf("the partition %q reaches past the end of %s", p.Name, d.Member.Name)
	}
	if start := d.DataStart + p.Start; start < d.MetadataStart+d.MetadataSize && start+p.Size > d.MetadataStart {
		return nil, 0, fmt.Errorf("the partition %q of %s lies on the database", p.Name, d.Member.Name)
	}
	return d.Member, (d.DataStart + p.Start) / volume.SectorSize, nil
}

// linear returns the table of partitions that follow each other. It is what a column and a
// spanned volume are.
func (b *builder) linear(parts []*Partition) ([]volume.Target, error) {
	parts = slices.Clone(parts)
	slices.SortStableFunc(parts, func(a, b *Partition) int { return cmp.Compare(a.Offset, b.Offset) })
	var table []volume.Target
	var pos int64
	for _, p := range parts {
		m, sector, err := b.where(p)
		if err != nil {
			return nil, err
		}
		if p.Offset != pos {
			return nil, fmt.Errorf("the partition %q is said to begin at %d, where %d bytes are before it", p.Name, p.Offset, pos)
		}
		table = append(table, volume.Target{
			Start: pos / volume.SectorSize, Length: p.Size / volume.SectorSize,
			Type: "linear", Params: fmt.Sprintf("@ %d", sector), Devices: []volume.Base{m},
		})
		pos += p.Size
		if p.uncertain() && len(b.v.Components) == 1 && b.v.Type != RAID5 {
			b.doubt("the partition %q on %s may not be up to date", p.Name, m.Name)
		}
	}
	return table, nil
}

// doubt notes what makes it unwise to write to the volume.
func (b *builder) doubt(format string, args ...any) {
	b.readOnly = true
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// columns returns the partitions of a component by their columns, which have chunks of the
// volume in turn.
func (b *builder) columns(c *Component) ([][]*Partition, error) {
	var list [][]*Partition
	for _, p := range c.Partitions {
		if n := len(list); n > 0 && list[n-1][0].Column == p.Column {
			list[n-1] = append(list[n-1], p)
			continue
		}
		if p.Column != uint64(len(list)) {
			return nil, fmt.Errorf("the component %q has no column %d", c.Name, len(list))
		}
		list = append(list, []*Partition{p})
	}
	if c.columns != 0 && c.columns != uint64(len(list)) || c.Chunk <= 0 || c.Chunk > b.v.Size/int64(len(list)) {
		return nil, fmt.Errorf("the component %q has %d columns of %d, and chunks of %d bytes", c.Name, len(list), c.columns, c.Chunk)
	}
	return list, nil
}

// striped returns the table of a component whose columns are used in turn.
func (b *builder) striped(c *Component) ([]volume.Target, error) {
	columns, err := b.columns(c)
	if err != nil {
		return nil, err
	}
	n := int64(len(columns))
	if b.v.Size%(n*c.Chunk) != 0 {
		return nil, fmt.Errorf("its %d bytes are not divisible by %d columns with chunks of %d bytes", b.v.Size, n, c.Chunk)
	}
	t := volume.Target{Length: b.v.Size / volume.SectorSize, Type: "striped"}
	var params strings.Builder
	fmt.Fprintf(&params, "%d %d", n, c.Chunk/volume.SectorSize)
	for i, column := range columns {
		table, err := b.linear(column)
		if err != nil {
			return nil, err
		}
		if tableSize(table) < b.v.Size/n {
			return nil, fmt.Errorf("the column %d is smaller than its part of the volume", i)
		}
		if len(column) > 1 {
			t.Devices = append(t.Devices, b.column(c, i, table))
			params.WriteString(" @ 0")
			continue
		}
		t.Devices = append(t.Devices, table[0].Devices[0])
		params.WriteString(" " + table[0].Params)
	}
	t.Params = params.String()
	return []volume.Target{t}, nil
}

// partition returns the hidden device of a partition, which the target raid needs: it takes
// whole devices. Its names are those that ldmtool gives it.
func (b *builder) partition(p *Partition, table []volume.Target) *volume.Volume {
	return b.hide(p.Name, p.Disk.GUID, table, p)
}

// column returns the hidden device of a column that is made of several partitions.
func (b *builder) column(c *Component, i int, table []volume.Target) *volume.Volume {
	return b.hide(fmt.Sprintf("%s-column%d", c.Name, i), b.v.GUID, table, c)
}

// hide adds a device that is only a part of the volume.
func (b *builder) hide(name, guid string, table []volume.Target, info any) *volume.Volume {
	v := &volume.Volume{Kind: "ldm", Hidden: true, Info: info, Table: table, Size: tableSize(table)}
	v.Name = b.p.name("part", b.g, name, guid)
	v.UUID = uuid(name, guid)
	v.Nodes = []string{"/dev/mapper/" + v.Name}
	b.hidden = append(b.hidden, v)
	return v
}
