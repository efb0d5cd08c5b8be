package ldm

import (
	"cmp"
	"slices"
)

// link puts the records together to volumes. What leads nowhere is a problem, of the volume
// if it is known to which it belongs.
func (g *Group) link(t *tables, db *database) {
	have := counts{uint32(len(t.volumes)), uint32(len(t.components)), uint32(len(t.partitions)), uint32(len(t.disks))}
	if want := db.counts(); have != want {
		g.problem("the database has %d volumes, %d components, %d partitions, %d disks, and should have %d, %d, %d, %d",
			have[0], have[1], have[2], have[3], want[0], want[1], want[2], want[3])
	}
	g.Disks, g.Volumes = t.disks, t.volumes
	disks, components, volumes := map[uint64]*Disk{}, map[uint64]*Component{}, map[uint64]*Volume{}
	for _, d := range t.disks {
		disks[d.id] = d
	}
	for _, c := range t.components {
		components[c.id] = c
	}
	for _, v := range t.volumes {
		volumes[v.id] = v
	}
	lies := map[*Disk][]*Partition{}
	for _, p := range t.partitions {
		c := components[p.parent]
		if c == nil {
			g.problem("the partition %q belongs to no component", p.Name)
			continue
		}
		if p.Disk = disks[p.disk]; p.Disk != nil {
			lies[p.Disk] = append(lies[p.Disk], p)
		}
		c.Partitions = append(c.Partitions, p)
	}
	for _, list := range lies {
		markOverlaps(list)
	}
	for _, c := range t.components {
		slices.SortStableFunc(c.Partitions, func(a, b *Partition) int { return cmp.Compare(a.Column, b.Column) })
		v := volumes[c.parent]
		if v == nil {
			g.problem("the component %q belongs to no volume", c.Name)
			continue
		}
		v.Components = append(v.Components, c)
	}
	for _, v := range t.volumes {
		v.setType()
	}
}

// markOverlaps marks the partitions of a disk that lie on each other.
func markOverlaps(list []*Partition) {
	slices.SortStableFunc(list, func(a, b *Partition) int { return cmp.Compare(a.Start, b.Start) })
	for i, p := range list {
		if i == 0 {
			continue
		}
		// The one that reaches furthest so far is kept in front.
		last := list[i-1]
		if p.Start < last.end() {
			p.overlaps, last.overlaps = last.Name, p.Name
			if last.end() > p.end() {
				list[i-1], list[i] = p, last
			}
		}
	}
}

// setType derives the type from the components, as ldmtool does.
func (v *Volume) setType() {
	if len(v.Components) == 0 {
		return
	}
	c := v.Components[0]
	v.Chunk = c.Chunk
	switch {
	case len(v.Components) > 1 || v.children > 1:
		v.Type = Mirrored
	case c.Layout == LayoutStriped:
		v.Type = Striped
	case c.Layout == LayoutRAID5:
		v.Type = RAID5
	case len(c.Partitions) > 1:
		v.Type = Spanned
	default:
		v.Type = Simple
	}
}
