package md

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/unboot/unboot/volume"
)

// openDDF plans the virtual disks of all containers.
func openDDF(members []*volume.Member, env *volume.Env) []*volume.Volume {
	containers := map[string][]*ddfDisk{}
	var order []string
	for _, m := range members {
		d, err := readDDF(m)
		if err != nil {
			note(&m.Problems, "%s: DDF metadata: %v", m.Name, err)
			continue
		}
		if containers[d.guid] == nil {
			order = append(order, d.guid)
		}
		containers[d.guid] = append(containers[d.guid], d)
	}
	var volumes []*volume.Volume
	for _, guid := range order {
		volumes = append(volumes, openDDFContainer(containers[guid], env)...)
	}
	return volumes
}

// openDDFContainer plans the virtual disks of one container. What the disk says that was
// written to last is believed, of the others' disks too.
func openDDFContainer(disks []*ddfDisk, env *volume.Env) []*volume.Volume {
	newest := slices.MaxFunc(disks, func(a, b *ddfDisk) int { return int(int64(a.seq) - int64(b.seq)) })
	// Each part of a virtual disk has a configuration on each of its members.
	parts := map[string]map[int]ddfConf{}
	var order []string
	for _, d := range disks {
		for _, c := range d.configs {
			if parts[c.guid] == nil {
				parts[c.guid] = map[int]ddfConf{}
				order = append(order, c.guid)
			}
			if old, ok := parts[c.guid][c.element]; !ok || c.seq > old.seq {
				parts[c.guid][c.element] = c
			}
		}
	}
	var volumes []*volume.Volume
	for _, guid := range order {
		entry, ok := newest.virtual[guid]
		if !ok {
			continue // it was deleted while a disk was away
		}
		volumes = append(volumes, ddfVolume(disks, newest, entry, parts[guid], len(order) > 1, env)...)
	}
	return volumes
}

// ddfVolume plans one virtual disk. shared says that there are others.
func ddfVolume(disks []*ddfDisk, newest *ddfDisk, entry ddfVirtual, parts map[int]ddfConf, shared bool, env *volume.Env) []*volume.Volume {
	c := &contained{sb: Superblock{Container: "ddf", Name: entry.name, Events: uint64(newest.seq)}}
	for _, d := range disks {
		c.all = append(c.all, d.m)
	}
	var conf ddfConf
	for _, p := range parts {
		conf = p
		if p.element == 0 {
			break
		}
	}
	sb := &c.sb
	sb.UUID = newest.uuid(conf.guid, entry)
	// Its seconds are counted from 1980.
	sb.Created = time.Unix(315532800+int64(binary.BigEndian.Uint32([]byte(conf.guid[16:]))), 0).UTC()
	sb.Size, sb.Chunk = conf.size, conf.chunk
	c.dirty = entry.state&ddfInconsistent != 0 || entry.init&3 != ddfInitFull
	var err error
	if sb.Level, sb.Layout, sb.RaidDisks, err = conf.shape(); err != nil {
		v := &volume.Volume{Kind: "raid", UUID: sb.UUID.String(), Nodes: nodes(sb)}
		note(&v.Problems, "%v", err)
		for _, m := range c.all {
			v.Bases = append(v.Bases, m)
		}
		return []*volume.Volume{v}
	}
	if sb.Level == 1 {
		sb.Chunk = 0
	}
	for _, p := range parts {
		for i, ref := range p.refs {
			for _, d := range disks {
				if role := p.element*p.primary + i; d.refnum == ref && role < sb.RaidDisks {
					c.places = append(c.places, place{role, d.m, p.offsets[i], p.size, newest.state(d), uint64(d.seq)})
				}
			}
		}
	}
	slices.SortStableFunc(c.places, func(a, b place) int { return a.role - b.role })
	return c.volumes(env, shared)
}

// state is what the newest metadata say of a disk.
func (newest *ddfDisk) state(d *ddfDisk) string {
	state := newest.states[d.refnum]
	switch {
	case state&ddfFailed != 0:
		return StateFaulty
	case state&ddfRebuilding != 0 || state&ddfOnline == 0:
		return StateRebuilding
	case d.seq+1 < newest.seq:
		note(&d.m.Problems, "%s: left out of its arrays, as its metadata are older than those of %s", d.m.Name, newest.m.Name)
		return StateStale
	}
	return StateActive
}

// shape converts the primary level, its qualifier and the secondary level to those of MD.
func (c ddfConf) shape() (level, layout, disks int, err error) {
	type key struct{ level, qualifier uint8 }
	shapes := map[key][2]int{
		{0x1f, 0}: {Linear, 0},
		{0x00, 0}: {0, 0},
		{0x01, 0}: {1, 0}, {0x01, 1}: {1, 0},
		{0x04, 1}: {4, 0},
		{0x05, 0}: {5, 1}, {0x05, 2}: {5, 0}, {0x05, 3}: {5, 2},
		{0x06, 1}: {6, 8}, {0x06, 2}: {6, 9}, {0x06, 3}: {6, 10},
		{0x11, 0}: {10, 0x102}, {0x11, 1}: {10, 0x201},
	}
	shape, ok := shapes[key{c.level, c.qualifier}]
	switch {
	case !ok:
		return 0, 0, 0, fmt.Errorf("RAID level %d with qualifier %d of DDF cannot be opened", c.level, c.qualifier)
	case c.secondary == 1:
		return shape[0], shape[1], c.primary, nil
	case c.level != 1 || c.secLevel != 0 && c.secLevel != 3 || c.primary != 2 && c.primary != 3:
		return 0, 0, 0, fmt.Errorf("RAID level %d within %d of DDF cannot be opened", c.level, c.secLevel)
	}
	return 10, 0x100 + c.primary, c.primary * c.secondary, nil
}

// uuid is the identity that mdadm gives to a virtual disk. Some firmware changes the GUIDs
// at each start.
func (newest *ddfDisk) uuid(guid string, entry ddfVirtual) UUID {
	if newest.maker != "LSI     " {
		return digest([]byte(guid))
	}
	b := make([]byte, 24+18)
	copy(b, newest.guid)
	copy(b[24:40], entry.name)
	binary.LittleEndian.PutUint16(b[40:], uint16(entry.number))
	return digest(b)
}
