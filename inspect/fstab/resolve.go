package fstab

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

// Table is the fstab of one operating system, and the devices that its entries are to be
// found among.
type Table struct {
	Entries []Entry
	Devices []Device
	Names   Names
	// Root is the index of the device that the fstab was read from; -1 if that is
	// none of them.
	Root int
	// Fits reports whether a device can hold what an entry is about. Where it is nil,
	// any can.
	Fits func(e *Entry, device int) bool
}

// Meaning is what an entry means.
type Meaning struct {
	Device int    // index; -1 if the entry means none of the devices
	Why    string // for people, of -1: why not the one that seems to be meant, or ""
}

// Resolve tells for each entry which device it means.
//
// What names an identity is a fact. What names a position (/dev/sdb1) is a guess, since
// the image may lack disks that the machine had, as clouds add some for scratch, and may
// have others. A wrong guess makes programs that clean up a directory of the guest clean
// up a file system which the guest never had there, so it is made with care:
//
//   - The root's own entry, if it names the position where the root is, tells which disk of
//     the image is which of the machine's.
//   - Any other disk is the one that has its place in the image, unless that is known to be
//     another one; or, where the root's has told how, the one of its rank among the disks
//     that the fstab names: hdc is the second one of a machine with hda and hdc.
//   - An entry that need not be there at boot says nothing of the image, so that it is not
//     counted in ranks, nor given a device by one. One of cloud-init's is for a disk that the
//     platform makes anew at each boot: it is none of the image's.
//   - A device that has the root, or that an entry names by its identity, is nobody
//     else's, unless that entry is about a subvolume or says the same of the device.
func (t *Table) Resolve() []Meaning {
	r := newResolver(t)
	list := make([]Meaning, len(t.Entries))
	for i := range t.Entries {
		if r.names[i].certain {
			list[i] = r.resolve(i)
		}
	}
	for i := range t.Entries {
		if !r.names[i].certain {
			list[i] = r.resolve(i)
		}
	}
	return list
}

// name is what an entry calls its device.
type name struct {
	spec      Spec // an identity may be spelled in another way than in the entry
	certain   bool
	disk      diskName
	partition int
	placed    bool // disk and partition say where it is
}

type resolver struct {
	*Table
	names []name
	root  *name            // what the root's entry says, or nil
	disks map[diskName]int // which of the image's disks
	given map[string]Spec  // who has a device, by key
}

func newResolver(t *Table) *resolver {
	r := &resolver{Table: t, names: make([]name, len(t.Entries)), disks: map[diskName]int{}, given: map[string]Spec{}}
	for i := range t.Entries {
		n := &r.names[i]
		n.spec, n.disk, n.partition, n.placed = position(t.Entries[i].Spec)
		n.certain = n.spec.Certain() || t.Names.known(n.spec)
		if e := &t.Entries[i]; e.IsRoot() {
			r.root = n
		}
	}
	r.assignDisks()
	if t.Root >= 0 {
		spec := Spec{}
		if r.root != nil {
			spec = r.root.spec
		}
		r.given[r.key(t.Root)] = spec
	}
	return r
}

// IsRoot reports whether the entry is that of the root.
func (e *Entry) IsRoot() bool { return strings.HasPrefix(e.File, "/") && path.Clean(e.File) == "/" }

// optional reports whether a system boots without the device of an entry.
func (e *Entry) optional() bool {
	return e.NoFail() || e.ofCloud() || slices.ContainsFunc(e.Options, func(o string) bool { return strings.HasPrefix(o, "x-systemd.") }) ||
		e.NoAuto() && strings.Contains(e.Type, "iso9660")
}

// ofCloud reports whether cloud-init has made an entry, as it does for scratch disks.
func (e *Entry) ofCloud() bool { return e.option("comment") == "cloudconfig" }

// assignDisks finds out which disk is which.
func (r *resolver) assignDisks() {
	count := 0
	for _, d := range r.Devices {
		if !d.mapped() {
			count = max(count, d.Disk+1)
		}
	}
	taken := map[int]bool{}
	assign := func(name diskName, disk int) {
		if _, known := r.disks[name]; known || disk < 0 || disk >= count || taken[disk] {
			return
		}
		r.disks[name], taken[disk] = disk, true
	}
	calibrated := false
	if r.Root >= 0 && !r.Devices[r.Root].mapped() {
		root := r.Devices[r.Root]
		if r.root != nil && r.root.placed && r.root.partition == root.Partition {
			assign(r.root.disk, root.Disk)
			calibrated = true
		}
		if _, known := r.disks[bootDisk]; !known {
			r.disks[bootDisk] = root.Disk
		}
	}
	for _, optional := range []bool{false, true} {
		for i := range r.Entries {
			if n := &r.names[i]; n.placed && r.Entries[i].optional() == optional && !r.Entries[i].ofCloud() {
				assign(n.disk, n.disk.index)
			}
		}
	}
	if !calibrated {
		return
	}
	ranks := r.ranks(r.root.disk.driver)
	if slices.Index(ranks, r.root.disk) != r.disks[r.root.disk] {
		return
	}
	for rank, disk := range ranks {
		assign(disk, rank)
	}
}

// ranks returns the disks of a driver that must be there, in order.
func (r *resolver) ranks(driver string) (list []diskName) {
	for i := range r.Entries {
		n := &r.names[i]
		if n.placed && n.disk.driver == driver && n.disk.index >= 0 && !r.Entries[i].optional() && !slices.Contains(list, n.disk) {
			list = append(list, n.disk)
		}
	}
	slices.SortFunc(list, func(a, b diskName) int { return cmp.Compare(a.index, b.index) })
	return list
}

// resolve finds the device of an entry and gives it to it.
func (r *resolver) resolve(i int) Meaning {
	e, n := &r.Entries[i], &r.names[i]
	d := r.find(e, n)
	if d < 0 {
		return Meaning{Device: -1}
	}
	key := r.key(d)
	owner, given := r.given[key]
	switch {
	case !given:
		r.given[key] = n.spec
	case e.IsRoot(), owner.same(n.spec), e.HasSubvolume():
	case r.Root >= 0 && key == r.key(r.Root):
		return Meaning{-1, "that is the device of the root here"}
	case !n.certain:
		return Meaning{-1, fmt.Sprintf("that is the device of %s here", owner)}
	}
	return Meaning{Device: d}
}

// find returns the device that an entry seems to mean, or -1.
func (r *resolver) find(e *Entry, n *name) int {
	// Of a disk and its copy, the one that has the root is meant.
	near, found := -1, -1
	for i, d := range r.Devices {
		if !r.matches(e, n, i) {
			continue
		}
		if found < 0 {
			found = i
		}
		if near < 0 && r.Root >= 0 && d.Disk == r.Devices[r.Root].Disk {
			near = i
		}
	}
	if near >= 0 {
		return near
	}
	return found
}

func (r *resolver) matches(e *Entry, n *name, device int) bool {
	d := r.Devices[device]
	switch {
	case r.Names.known(n.spec):
		return r.Names.matches(n.spec, d) || slices.Contains(d.Nodes, n.spec.Value)
	case n.certain:
		return n.spec.Matches(d)
	case !n.placed:
		return n.spec.Kind == Path && n.spec.Value == d.Path && r.fits(e, device)
	case e.ofCloud(), d.mapped():
		return false
	}
	disk, known := r.disks[n.disk]
	return known && d.Disk == disk && d.Partition == n.partition && r.fits(e, device)
}

func (r *resolver) fits(e *Entry, device int) bool { return r.Fits == nil || r.Fits(e, device) }

// key is the same for all devices of one file system.
func (r *resolver) key(device int) string {
	if pool := r.Devices[device].Pool; pool != "" {
		return "pool " + pool
	}
	return fmt.Sprint(device)
}

// mapped reports whether a device is no disk, nor a part of one.
func (d *Device) mapped() bool { return d.Mapped != "" || d.LV != "" || d.Disk < 0 }

// same reports whether two specs are one.
func (s Spec) same(o Spec) bool {
	return s.Kind == o.Kind && (s.Value == o.Value || (s.Kind == UUID || s.Kind == PartUUID) && sameUUID(s.Value, o.Value))
}
