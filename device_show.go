package unboot

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/part"
)

// show adds the device of a volume to the graph, with its partitions if it has any, and
// looks for what they are members of.
func (a *assembly) show(v *volume.Volume, l *loaded) {
	r := a.readers[v]
	if r == nil {
		f, err := a.open(l.node)
		if err != nil {
			a.failed[v] = err
			return
		}
		if r = f; hasTags(v) {
			r = unwritten{f}
		}
	}
	s := &scan{diskSource: diskSource{path: l.links[0]}, r: r, size: v.Size, name: l.links[0]}
	s.readTable(0)
	s.readContents()
	s.checkSize(0, s.content, s.size)
	d := a.add(&Device{
		Name: l.links[0], Aliases: a.aliases(l), Kind: Kind(v.Kind), Size: v.Size, Volume: l.plan,
		Content: s.content, Problems: append(slices.Clone(v.Problems), s.problems[0]...),
	}, a.below(v).devices...)
	a.level[d] = a.below(v).level
	a.shown[v], a.shownAs[l] = d, d
	if a.readers[v] != nil {
		a.onHost[d] = a.readers[v]
	}
	if s.table == nil {
		a.enlist(d)
		return
	}
	for i := range s.table.Partitions {
		if p := &s.table.Partitions[i]; !p.Extended && p.Start < s.size && p.Size > 0 {
			a.showPartition(d, v, s, p)
		}
	}
}

// aliases returns the other names of a volume.
func (a *assembly) aliases(l *loaded) []string {
	list := slices.Clone(l.links[1:])
	if l.links[0] != l.node {
		list = append(list, l.node)
	}
	return list
}

// add adds a device to the graph, one level above those that it lies on.
func (a *assembly) add(d *Device, on ...*Device) *Device {
	d = a.g.add(d, on...)
	for _, p := range on {
		a.level[d] = max(a.level[d], a.level[p]+1)
	}
	return d
}

// showPartition sets up a partition of a volume. The device mapper has none of its own, so
// it is a device as kpartx(8) makes it: the disk of a guest that is a logical volume is
// the common case.
func (a *assembly) showPartition(d *Device, on *volume.Volume, s *scan, p *part.Partition) {
	size := min(p.Size, s.size-p.Start)
	s.checkSize(p.Number, s.parts[p.Number], size)
	show := &Device{
		Kind: KindPartition, Size: size, Content: s.parts[p.Number],
		Partition: &Partition{
			Number: p.Number, Start: p.Start, Table: s.table.Type, Type: p.Type, TypeName: p.TypeName,
			Name: p.Name, UUID: p.UUID, Bootable: p.Bootable,
		},
		Problems: s.problems[p.Number],
	}
	if on.Array != nil {
		show.Name = d.Name + "p" + strconv.Itoa(p.Number)
		if err := a.partitionArray(d, p.Number, extent{p.Start, size}); err != nil {
			a.problem(d, "partition %d: %v", p.Number, err)
			return
		}
		a.enlist(a.add(show, d))
		return
	}
	separator := ""
	if last := on.Name[len(on.Name)-1:]; last >= "0" && last <= "9" {
		separator = "p"
	}
	name := on.Name + separator + strconv.Itoa(p.Number)
	v := &volume.Volume{
		Kind: string(KindPartition), Name: name, Nodes: []string{"/dev/mapper/" + name},
		UUID: fmt.Sprintf("part%d-%s", p.Number, on.UUID), Size: size,
		Table: []volume.Target{{
			Length: size / volume.SectorSize, Type: "linear",
			Params: fmt.Sprint("@ ", p.Start/volume.SectorSize), Devices: []volume.Base{on},
		}},
	}
	var l *loaded
	err := a.mayAdd(v)
	if err == nil {
		l, err = a.load(v)
	}
	if err != nil {
		a.problem(d, "partition %d: %v", p.Number, err)
		return
	}
	a.numbers[v] = l.number
	a.loaded = append(a.loaded, l)
	show.Name, show.Aliases = l.links[0], a.aliases(l)
	show = a.add(show, d)
	if r := a.readerOf(v); r != nil {
		a.onHost[show] = r
	}
	a.enlist(show)
}

// partitionArray sees to it that the kernel has a partition of an array, which it has found
// by itself unless the table is one that only package volume/part reads.
func (a *assembly) partitionArray(d *Device, number int, e extent) error {
	f, err := a.open(d.Name)
	if err != nil {
		return err
	}
	err = blkpg(a.img.k, f.Fd(), unix.BLKPG_ADD_PARTITION, number, e)
	if errors.Is(err, unix.EBUSY) {
		return nil // it has something there, and d.Name shows whether it is this
	}
	return err
}

// report puts what was found out about members into the graph, and the volumes that
// cannot be used.
func (a *assembly) report() {
	for _, k := range a.kinds {
		for _, v := range k.plans {
			on := a.below(v).devices
			switch {
			case v.Locked != nil:
				for _, d := range on {
					a.locked[d] = v.Locked
				}
			case a.isOff(k, v):
				if !v.Hidden {
					a.g.inactive = append(a.g.inactive, Inactive{v, on, ErrDeactivated})
				}
			case a.failed[v] != nil && v.Hidden:
			case !v.Usable() && v.Hidden:
			case a.failed[v] != nil || !v.Usable():
				a.g.inactive = append(a.g.inactive, Inactive{v, on, a.failed[v]})
			}
		}
	}
	for m, d := range a.devices {
		a.problems[d] = append(a.problems[d], m.Problems...)
	}
	changed := maps.Clone(a.locked)
	for d, list := range a.problems {
		if len(list) > 0 && changed[d] == nil {
			changed[d] = nil
		}
	}
	a.g.amend(changed, a.problems)
}
