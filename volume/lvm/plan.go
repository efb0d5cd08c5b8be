package lvm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/unboot/unboot/volume"
)

// maxLevels is how many devices may lie on each other.
const maxLevels = 64

// volumes plans the devices of all groups: the volumes that are visible, and below them
// those that they lie on.
func (l *Layout) volumes(ctx context.Context) (all []*volume.Volume) {
	for _, vg := range l.VGs {
		all = append(all, vg.volumes(ctx)...)
	}
	return all
}

// A planner plans the devices of one group, each once.
type planner struct {
	vg   *VG
	made map[device]*result
	list []*volume.Volume
	deep int
}

// A device is a logical volume, or a layer below it, such as "real".
type device struct {
	lv    *LV
	layer string
}

// result is what became of a device. Both are nil while it is being planned.
type result struct {
	v   *volume.Volume
	err error // why it cannot be used
}

// volumes returns the devices of the group, each after those that it lies on. Hidden ones
// are left out if nothing that can be used lies on them.
func (vg *VG) volumes(ctx context.Context) []*volume.Volume {
	p := &planner{vg: vg, made: map[device]*result{}}
	wanted := map[volume.Base]bool{}
	var want func(volume.Base)
	want = func(b volume.Base) {
		v, ok := b.(*volume.Volume)
		if !ok || wanted[b] {
			return
		}
		wanted[b] = true
		for _, below := range v.On() {
			want(below)
		}
	}
	for _, lv := range vg.LVs {
		if lv.Visible() && ctx.Err() == nil {
			v, _ := p.device(lv, "")
			want(v)
		}
	}
	return slices.DeleteFunc(p.list, func(v *volume.Volume) bool { return !wanted[v] })
}

// device plans a logical volume or a layer of it. It returns the volume in any case, and an
// error if it cannot be used.
func (p *planner) device(lv *LV, layer string) (*volume.Volume, error) {
	key := device{lv, layer}
	if r := p.made[key]; r != nil {
		if r.v == nil {
			return nil, errors.New("the volumes lie on each other in a circle")
		}
		return r.v, r.err
	}
	if layer == "" && len(lv.Snapshots) > 0 {
		// The kernel is to know of the snapshots before anybody writes to their origin.
		p.made[key] = &result{}
		for _, s := range lv.Snapshots {
			if s.Store.Visible() {
				p.device(s.Store, "")
			}
		}
		delete(p.made, key)
	}
	v := &volume.Volume{
		Kind: "lvm", Name: QuoteName(p.vg.Alias, lv.Name, layer),
		UUID: lv.deviceUUID(layer), Size: lv.Size, ReadOnly: lv.readOnly(layer),
		Hidden: layer != "" || !lv.Visible() || lv.pool(), Info: lv,
	}
	if !v.Hidden {
		v.Nodes = []string{"/dev/" + p.vg.Alias + "/" + lv.Name}
	}
	return p.plan(key, v, func(b *builder) error { return b.fill(lv, layer) })
}

// plan lets fill make the table of a volume.
func (p *planner) plan(key device, v *volume.Volume, fill func(*builder) error) (*volume.Volume, error) {
	if r := p.made[key]; r != nil {
		return r.v, r.err
	}
	r := &result{}
	p.made[key] = r
	v.Nodes = append(v.Nodes, "/dev/mapper/"+v.Name)
	b := &builder{p: p, v: v}
	switch p.deep++; {
	case p.vg.inactive != "":
		r.err = errors.New(p.vg.inactive)
		b.bases = p.vg.members()
	case p.deep > maxLevels:
		r.err = fmt.Errorf("more than %d devices lie on each other", maxLevels)
	case len(v.Name) > maxName:
		r.err = fmt.Errorf("the name of the device has more than %d bytes", maxName)
	default:
		r.err = fill(b)
	}
	p.deep--
	if r.err != nil {
		fail(v, r.err, b.bases)
	}
	r.v = v
	p.list = append(p.list, v)
	return v, r.err
}

// fail makes a volume one that cannot be used. What it lies on are then the disks: there
// is no use in the devices between.
func fail(v *volume.Volume, err error, bases []volume.Base) {
	v.Table, v.Bases = nil, nil
	v.Problems = append(v.Problems, err.Error())
	seen := map[volume.Base]bool{}
	var add func(volume.Base)
	add = func(b volume.Base) {
		if seen[b] {
			return
		}
		seen[b] = true
		below, ok := b.(*volume.Volume)
		if !ok {
			v.Bases = append(v.Bases, b)
			return
		}
		for _, b := range below.On() {
			add(b)
		}
	}
	for _, b := range bases {
		add(b)
	}
}

func (vg *VG) members() (list []volume.Base) {
	for _, pv := range vg.PVs {
		if pv.Member != nil {
			list = append(list, pv.Member)
		}
	}
	return list
}
