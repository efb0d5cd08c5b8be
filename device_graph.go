package unboot

import (
	"slices"
	"strconv"

	"github.com/unboot/unboot/volume"
)

// A graph is what disks and devices there are, and which lie on which. Several devices can
// lie on one (partitions), and one can lie on several (a file of a btrfs with two disks).
//
// The links are kept here rather than in the devices: so a device stays the same value
// while those above and below it come, change and go. A graph is not changed once others
// can see it.
type graph struct {
	img      *Image
	disks    []*Disk
	devices  []*Device          // each after its parents
	byName   map[string]*Device // and by aliases
	parents  map[*Device][]*Device
	children map[*Device][]*Device
	notes    map[string]string // by the names of disks: what one looks like on which nothing was found
	inactive []Inactive
	errs     []error // volumes that could not be taken away

	old *graph // what was before, while the graph is made
}

// newGraph returns an empty graph that is to follow the image's present one.
func (img *Image) newGraph() *graph {
	g := &graph{img: img, byName: map[string]*Device{}, parents: map[*Device][]*Device{}, children: map[*Device][]*Device{},
		notes: map[string]string{}}
	if g.old = img.found.Load(); g.old == nil {
		g.old = &graph{}
	}
	return g
}

// publish makes the graph the image's.
func (g *graph) publish() {
	g.old = nil
	for _, d := range g.devices {
		d.in.Store(g)
	}
	g.img.found.Store(g)
}

// addDisk adds a disk: the value of before if nothing about it has changed.
func (g *graph) addDisk(d *Disk) {
	for _, o := range g.old.disks {
		if o.Name == d.Name {
			if d.raw, d.Stored = o.raw, o.Stored; *d == *o {
				d = o
			}
		}
	}
	g.disks = append(g.disks, d)
}

// add adds a device that lies on others. It returns the value that the graph has for it:
// that of before if nothing about it has changed.
func (g *graph) add(d *Device, parents ...*Device) *Device {
	if o := g.old.named(d.Name); o != nil && o.equal(d) {
		d = o
	}
	g.devices = append(g.devices, d)
	g.byName[d.Name] = d
	for _, alias := range d.Aliases {
		g.byName[alias] = d
	}
	if len(parents) > 0 {
		g.parents[d] = parents
	}
	for _, p := range parents {
		g.children[p] = append(g.children[p], d)
	}
	return d
}

// amend gives devices what was found out later about them: locks, and more problems. Those
// that are the same as before are the value of before again.
func (g *graph) amend(locks map[*Device]*volume.Lock, problems map[*Device][]string) {
	if len(locks) == 0 {
		return
	}
	was := *g
	g.devices, g.byName = nil, map[string]*Device{}
	g.parents, g.children = map[*Device][]*Device{}, map[*Device][]*Device{}
	now := map[*Device]*Device{}
	for _, d := range was.devices {
		n := d
		if lock, ok := locks[d]; ok {
			n = &Device{Name: d.Name, Aliases: d.Aliases, Kind: d.Kind, Size: d.Size, Partition: d.Partition, Volume: d.Volume,
				Locked: lock, Content: d.Content, Problems: append(slices.Clone(d.Problems), problems[d]...)}
		}
		var on []*Device
		for _, p := range was.parents[d] {
			on = append(on, now[p])
		}
		now[d] = g.add(n, on...)
	}
	for i := range g.inactive {
		for j, d := range g.inactive[i].On {
			g.inactive[i].On[j] = now[d]
		}
	}
}

// named returns the device with a name or alias, or nil.
func (g *graph) named(name string) *Device { return g.byName[name] }

// disk returns the disk that a device is, or is a partition of, and its index; or nil and
// -1. What lies on file systems or on several disks has no place of its own on one.
func (g *graph) disk(d *Device) (*Disk, int) {
	name := d.Name
	if d.Kind == KindPartition {
		for _, p := range g.parents[d] {
			name = p.Name
		}
	}
	i := slices.IndexFunc(g.disks, func(o *Disk) bool { return o.Name == name })
	if i < 0 {
		return nil, -1
	}
	return g.disks[i], i
}

// graph returns the last graph that has the device; one without devices if it was not made
// by an image.
func (d *Device) graph() *graph {
	if g := d.in.Load(); g != nil {
		return g
	}
	return &graph{}
}

// Parents returns the devices that the device lies on: of a partition its disk, of a loop
// device those of the file system that its file is in. A disk has none.
func (d *Device) Parents() []*Device { return slices.Clone(d.graph().parents[d]) }

// Children returns the devices that lie on the device.
func (d *Device) Children() []*Device { return slices.Clone(d.graph().children[d]) }

// Disks returns the disks that the device lies on in the end, in the order of
// [Image.Disks]; of a disk, itself.
func (d *Device) Disks() []*Device {
	g := d.graph()
	below := map[*Device]bool{d: true}
	var list []*Device
	// Every device follows its parents.
	for _, o := range slices.Backward(g.devices) {
		if !below[o] {
			continue
		}
		for _, p := range g.parents[o] {
			below[p] = true
		}
		if len(g.parents[o]) == 0 && o.Kind == KindDisk {
			list = append(list, o)
		}
	}
	slices.Reverse(list)
	return list
}

// above returns all devices that lie on the device, or on those that do.
func (d *Device) above() []*Device {
	g := d.graph()
	on := map[*Device]bool{d: true}
	var list []*Device
	for _, o := range g.devices { // each after its parents
		if slices.ContainsFunc(g.parents[o], func(p *Device) bool { return on[p] }) {
			on[o] = true
			list = append(list, o)
		}
	}
	return list
}

// Pool returns the devices of the image that together hold one file system, of which the
// device is one; nil if it holds one alone. There may be fewer than the file system has:
// the Devices of its Content. If the image has copies of some, none but the device itself
// is returned: which belong together is not known.
func (d *Device) Pool() []*Device {
	c := d.Content
	if c == nil || c.Type != "btrfs" || c.Devices < 2 {
		return nil
	}
	list := d.graph().sharing(c.UUID)
	if _, copies := d.graph().copied(c.UUID); copies != nil {
		return []*Device{d}
	}
	return list
}

// Devices returns all devices: each disk followed by its partitions, in the
// order of their numbers, then the volumes, each after what it lies on, and then the loop
// devices. Nothing is mounted to find out their content.
func (img *Image) Devices() []*Device { return slices.Clone(img.found.Load().devices) }

// Disks returns the disks, in the order in which they were given.
func (img *Image) Disks() []*Disk { return slices.Clone(img.found.Load().disks) }

// Problems returns what is wrong with the disks as far as it was noticed, in
// words: a partition that ends beyond the end of its disk, a file system larger
// than its device, and the like. They are those of all devices.
func (img *Image) Problems() []string {
	g := img.found.Load()
	var list []string
	for _, d := range g.devices {
		if text := g.copies(d); text != "" {
			list = append(list, text)
		}
		prefix := ""
		disk, _ := g.disk(d)
		switch {
		case disk == nil:
			prefix = d.Name + ": "
		case len(g.disks) > 1:
			prefix = disk.Path + ": "
		}
		if d.Partition != nil {
			prefix += "partition " + strconv.Itoa(d.Partition.Number) + ": "
		}
		for _, p := range d.Problems {
			list = append(list, prefix+p)
		}
	}
	return list
}
