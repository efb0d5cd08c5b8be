package ldm

import (
	"errors"
	"fmt"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/internal/dmname"
)

// A planner makes the plans of all volumes.
type planner struct {
	list  []*volume.Volume
	names map[string]bool
}

// A builder makes the plan of one volume, and of the hidden ones below it.
type builder struct {
	p        *planner
	g        *Group
	v        *Volume
	hidden   []*volume.Volume
	problems []string
	readOnly bool
}

// volume plans a volume, after those that it lies on.
func (p *planner) volume(g *Group, v *Volume) {
	b := &builder{p: p, g: g, v: v}
	out := &volume.Volume{Kind: "ldm", Info: v}
	out.Name = p.name("vol", g, v.Name, v.GUID)
	out.UUID = uuid(v.Name, v.GUID)
	out.Nodes = []string{"/dev/mapper/" + out.Name}
	out.Size = v.Size
	table, err := b.table()
	if err != nil {
		b.problems = append(b.problems, err.Error())
		for _, d := range v.disks() {
			out.Bases = append(out.Bases, d)
		}
	} else {
		p.list = append(p.list, b.hidden...)
		last := table[len(table)-1]
		out.Table, out.Size = table, (last.Start+last.Length)*volume.SectorSize
	}
	out.ReadOnly = b.readOnly
	v.Problems = b.problems
	out.Problems = b.problems
	p.list = append(p.list, out)
}

// disks returns the devices that a volume lies on, each once.
func (v *Volume) disks() []*volume.Member {
	var list []*volume.Member
	seen := map[*volume.Member]bool{}
	for _, p := range v.Partitions() {
		if p.Disk != nil && p.Disk.Member != nil && !seen[p.Disk.Member] {
			seen[p.Disk.Member] = true
			list = append(list, p.Disk.Member)
		}
	}
	return list
}

// table returns the table of the volume.
func (b *builder) table() ([]volume.Target, error) {
	v := b.v
	switch {
	case len(v.Components) == 0 || uint64(len(v.Components)) != v.children:
		return nil, fmt.Errorf("the database has %d of its %d components", len(v.Components), v.children)
	case v.Size <= 0:
		return nil, errors.New("the database says that it is empty")
	case len(v.Components) > 1:
		return b.mirror()
	}
	return b.component(v.Components[0])
}

// component returns the table of one copy of the volume's data.
func (b *builder) component(c *Component) ([]volume.Target, error) {
	if len(c.Partitions) == 0 || uint64(len(c.Partitions)) != c.children {
		return nil, fmt.Errorf("the database has %d of the %d partitions of its component %q", len(c.Partitions), c.children, c.Name)
	}
	switch c.Layout {
	case LayoutConcat:
		return b.linear(c.Partitions)
	case LayoutStriped:
		return b.striped(c)
	case LayoutRAID5:
		return b.raid5(c)
	}
	return nil, fmt.Errorf("its component %q has the layout %d, which is not known", c.Name, c.Layout)
}

// mirror returns the table over several components. Where one is known to be up to date,
// those that are not are left out.
func (b *builder) mirror() ([]volume.Target, error) {
	legs := make([]*leg, len(b.v.Components))
	for i, c := range b.v.Components {
		l := &leg{doubtful: c.Doubtful, what: fmt.Sprintf("component %q", c.Name)}
		if len(c.Partitions) == 1 {
			l.what = fmt.Sprintf("partition %q", c.Partitions[0].Name)
		}
		for _, p := range c.Partitions {
			l.doubtful = l.doubtful || p.uncertain()
		}
		mark := len(b.hidden)
		if table, err := b.component(c); err != nil {
			l.err = err
		} else if size := tableSize(table); size < b.v.Size {
			l.err = fmt.Errorf("the %s is smaller than the volume", l.what)
		} else if len(c.Partitions) == 1 {
			l.device = b.partition(c.Partitions[0], table)
		} else {
			l.device = b.hide(fmt.Sprintf("%s-%d", b.v.Name, i+1), b.v.GUID, table, c)
		}
		b.keep(l, mark)
		legs[i] = l
	}
	return b.raid("raid1", 128, b.v.Size, len(legs)-1, legs)
}

func tableSize(table []volume.Target) int64 {
	last := table[len(table)-1]
	return (last.Start + last.Length) * volume.SectorSize
}

// uncertain reports whether the partition may not be up to date.
func (p *Partition) uncertain() bool { return p.Doubtful || p.Disk != nil && p.Disk.Stale }

// name returns a name for the device mapper, as libldm makes it. Groups of two computers
// may have the same name, as may their volumes: the one that comes later has its GUID.
func (p *planner) name(kind string, g *Group, name, guid string) string {
	full := dmname.Mangle("ldm_" + kind + "_" + g.Name + "_" + name)
	if len(full) > 127 || p.names[full] {
		full = "ldm_" + kind + "_" + g.GUID + "_" + guid
	}
	for base, i := full, 2; p.names[full]; i++ {
		full = fmt.Sprintf("%s_%d", base, i)
	}
	p.names[full] = true
	return full
}

// uuid returns the identifier for the device mapper, which has 128 bytes for it.
func uuid(name, guid string) string {
	s := dmname.Mangle("LDM-" + name)
	return s[:min(len(s), 128-1-36)] + "-" + guid
}
