package unboot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// FileSystems returns the devices that hold a file system which this kernel
// can mount. What a volume lies on is in use by that: it is not among them.
func (img *Image) FileSystems() []*Device {
	var list []*Device
	for _, d := range img.found.Load().devices {
		if canMount(d.Content) && !d.hasVolume() {
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
	return d.Volume != nil && d.Volume.ReadOnly || slices.ContainsFunc(d.Parents(), (*Device).onReadOnly)
}

// Device returns a device by its name (/dev/sda1, or sda1), or the first that
// matches UUID=, LABEL=, PARTUUID= or PARTLABEL=, as in fstab(5). If there is
// none, the error wraps [ErrNotFound].
func (img *Image) Device(name string) (*Device, error) {
	g := img.found.Load()
	switch spec := fstab.ParseSpec(name); spec.Kind {
	case fstab.UUID, fstab.Label, fstab.PartUUID, fstab.PartLabel:
		for _, d := range g.devices {
			if spec.Value != "" && spec.Matches(d.identity()) {
				return d, nil
			}
		}
	default:
		path := name
		if !strings.HasPrefix(path, "/") {
			path = "/dev/" + path
		}
		if d := g.named(path); d != nil {
			return d, nil
		}
		for _, v := range g.inactive {
			if slices.Contains(v.Nodes, path) {
				return nil, fmt.Errorf("%s: %w, as it cannot be used: %s", name, ErrNotFound, v.reason())
			}
		}
	}
	return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
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
