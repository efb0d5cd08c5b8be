package unboot

import "fmt"

// Devices of btrfs know each other by a UUID and a number. Copies of a device have both in
// common: to use one with the others of another copy would mix two histories, which the
// kernel notices only in part.

// sharing returns the devices that have a btrfs of a UUID.
func (g *graph) sharing(uuid string) []*Device {
	var list []*Device
	for _, d := range g.devices {
		if c := d.Content; c != nil && c.Type == "btrfs" && c.UUID == uuid {
			list = append(list, d)
		}
	}
	return list
}

// copied returns the first two devices that are the same one of a btrfs, or nil.
func (g *graph) copied(uuid string) (a, b *Device) {
	byNumber := map[int]*Device{}
	for _, d := range g.sharing(uuid) {
		if o := byNumber[d.Content.Device]; o != nil {
			return o, d
		}
		byNumber[d.Content.Device] = d
	}
	return nil, nil
}

// seeds returns the devices that a btrfs of several may have been begun on, if it lacks
// some: they keep their UUID, so which it is only the kernel finds out.
func (d *Device) seeds() []*Device {
	c := d.Content
	if c == nil || c.Type != "btrfs" || len(d.Pool()) >= c.Devices {
		return nil
	}
	g := d.graph()
	var list []*Device
	for _, o := range g.devices {
		if s := o.Content; s == nil || s.Type != "btrfs" || !s.Seed || s.UUID == c.UUID {
			continue
		}
		if a, _ := g.copied(o.Content.UUID); a == nil {
			list = append(list, o)
		}
	}
	return list
}

// isSeed reports whether a btrfs is only the beginning of others: it is never written to.
func (d *Device) isSeed() bool { return d.Content != nil && d.Content.Seed }

// copies says so if a device is the first of a btrfs of which some are there more than once.
func (g *graph) copies(d *Device) string {
	c := d.Content
	if c == nil || c.Type != "btrfs" || g.sharing(c.UUID)[0] != d {
		return ""
	}
	a, b := g.copied(c.UUID)
	if a == nil {
		return ""
	}
	text := fmt.Sprintf("%s and %s are copies of one device, number %d of the btrfs %s", a.Name, b.Name, a.Content.Device, c.UUID)
	if c.Devices > 1 {
		text += ": as it is not known which belong together, none is used with the others"
	}
	return text
}
