package unboot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// FileSystems returns the devices that hold a file system which this kernel
// can mount. Of one that is seen through a volume as well, such as dm-verity, that
// volume is in the list: it has the device for itself.
func (img *Image) FileSystems() []*Device {
	var list []*Device
	g := img.found.Load()
	for _, d := range g.devices {
		if canMount(d.Content) && !slices.ContainsFunc(g.children[d], d.isSeenThrough) {
			list = append(list, d)
		}
	}
	return list
}

// hasVolume reports whether a volume lies on the device itself.
func (d *Device) hasVolume() bool {
	return slices.ContainsFunc(d.Children(), func(o *Device) bool { return o.Volume != nil })
}

// volumes returns the names of the volumes that lie on the device, in short if there are many.
func (d *Device) volumes() (names []string) {
	for _, o := range d.Children() {
		if o.Volume != nil {
			names = append(names, o.Name)
		}
	}
	if len(names) > 5 {
		names = append(names[:5], "…")
	}
	return names
}

// onReadOnly reports whether the device is, or is on, a volume that is never to be written to.
func (d *Device) onReadOnly() bool {
	g, below := d.graph(), map[*Device]bool{d: true}
	for _, o := range slices.Backward(g.devices) { // each before its parents
		if !below[o] {
			continue
		}
		if o.Volume != nil && o.Volume.ReadOnly {
			return true
		}
		for _, p := range g.parents[o] {
			below[p] = true
		}
	}
	return false
}

// isSeenThrough reports whether a volume on the device shows just what is on the device.
func (d *Device) isSeenThrough(v *Device) bool {
	return v.Volume != nil && v.Content != nil && v.Content.Type == d.Content.Type && v.Content.UUID == d.Content.UUID
}

// Device returns a device by its name (/dev/sda1, or sda1), or the first that
// matches UUID=, LABEL=, PARTUUID= or PARTLABEL=, as in fstab(5). If there is
// none, the error wraps [ErrNotFound].
func (img *Image) Device(name string) (*Device, error) {
	g := img.found.Load()
	if d := g.device(name); d != nil {
		return d, nil
	}
	for _, v := range g.inactive {
		if slices.Contains(v.Nodes, name) || slices.Contains(v.Nodes, "/dev/"+name) {
			return nil, fmt.Errorf("%s: %w, as it cannot be used: %s", name, ErrNotFound, v.reason())
		}
	}
	return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
}

// device returns the device that Device returns, or nil.
func (g *graph) device(name string) *Device {
	switch spec := fstab.ParseSpec(name); spec.Kind {
	case fstab.UUID, fstab.Label, fstab.PartUUID, fstab.PartLabel:
		for _, d := range g.devices {
			if spec.Value != "" && spec.Matches(d.identity()) {
				return d
			}
		}
	default:
		path := name
		if !strings.HasPrefix(path, "/") {
			path = "/dev/" + path
		}
		return g.named(path)
	}
	return nil
}

// identity returns what an fstab can call a device.
func (d *Device) identity() fstab.Device {
	id := fstab.Device{Path: d.Name}
	_, id.Disk = d.graph().disk(d)
	if c := d.Content; c != nil {
		id.UUID, id.Label = c.UUID, c.Label
		if c.Devices > 1 {
			id.Pool = c.UUID
		}
	}
	if d.Partition != nil {
		id.Partition, id.PartUUID, id.PartLabel = d.Partition.Number, d.Partition.UUID, d.Partition.Name
	}
	if v := d.Volume; v != nil {
		id.Mapped, id.Nodes = v.Name, v.Nodes
		switch on := d.Parents(); {
		case d.Kind == KindLVM:
			id.VG, id.LV, _ = fstab.ParseSpec(d.Name).LVM()
		case d.Kind == KindCrypt && len(on) > 0:
			below := on[0].identity()
			id.Encrypted = &below
		case v.Array != nil:
			id.Array = v.UUID
		}
	}
	return id
}
