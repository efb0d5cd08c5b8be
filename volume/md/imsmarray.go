package md

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/unboot/unboot/volume"
)

// openIMSM plans the volumes of all containers.
func openIMSM(members []*volume.Member, env *volume.Env) []*volume.Volume {
	containers := map[uint32][]*imsmSuper{}
	var order []uint32
	for _, m := range members {
		s, err := readIMSM(m)
		if err != nil {
			note(&m.Problems, "%s: IMSM metadata: %v", m.Name, err)
			continue
		}
		if containers[s.family] == nil {
			order = append(order, s.family)
		}
		containers[s.family] = append(containers[s.family], s)
	}
	var volumes []*volume.Volume
	for _, family := range order {
		volumes = append(volumes, openIMSMContainer(containers[family], env)...)
	}
	return volumes
}

// openIMSMContainer plans the volumes of one container, by the newest metadata.
func openIMSMContainer(copies []*imsmSuper, env *volume.Env) []*volume.Volume {
	newest := slices.MaxFunc(copies, func(a, b *imsmSuper) int { return int(int64(a.generation) - int64(b.generation)) })
	var present []*volume.Member
	var all []*volume.Member
	for _, s := range copies {
		all = append(all, s.m)
		if s.generation+1 < newest.generation {
			note(&s.m.Problems, "%s: left out of its arrays, as its metadata are older than those of %s", s.m.Name, newest.m.Name)
		} else {
			present = append(present, s.m)
		}
	}
	disks, sure := newest.identify(present)
	var volumes []*volume.Volume
	for i := range newest.volumes {
		volumes = append(volumes, newest.volume(i, disks, sure, all, env))
	}
	return volumes
}

// identify finds out which device is which disk. Disks are identified by their serial
// numbers, which images do not have, so what is left are their sizes and the order in which
// they are given. sure says that nothing had to be assumed.
func (s *imsmSuper) identify(present []*volume.Member) (disks map[int]*volume.Member, sure bool) {
	disks = map[int]*volume.Member{}
	sure = true
	left := slices.Clone(present)
	fits := func(d imsmDiskEntry, m *volume.Member) bool { return d.size-m.Size < 1<<20 && m.Size-d.size < 1<<20 }
	for i, d := range s.disks {
		if d.status&imsmFailed != 0 {
			continue
		}
		n := slices.IndexFunc(left, func(m *volume.Member) bool { return fits(d, m) })
		if n < 0 {
			continue
		}
		// Another disk of this size could be the one as well.
		for j, other := range s.disks {
			sure = sure && (j == i || other.status&imsmFailed != 0 || !fits(other, left[n]))
		}
		disks[i] = left[n]
		left = slices.Delete(left, n, n+1)
	}
	for _, m := range left {
		note(&m.Problems, "%s: none of the disks in its IMSM metadata has its size", m.Name)
	}
	return disks, sure
}

// volume plans one volume.
func (s *imsmSuper) volume(number int, disks map[int]*volume.Member, sure bool, all []*volume.Member, env *volume.Env) *volume.Volume {
	v := &s.volumes[number]
	var words [8]byte
	binary.LittleEndian.PutUint32(words[:], s.family)
	binary.LittleEndian.PutUint32(words[4:], uint32(number))
	c := &contained{all: all, sb: Superblock{
		Container: "imsm", Name: name(v.raw), Events: uint64(s.generation), RaidDisks: len(v.now.order),
		UUID: digest([]byte(imsmSignature), words[:4], words[4:], v.raw),
	}}
	sb := &c.sb
	refuse := func(format string, args ...any) *volume.Volume {
		out := &volume.Volume{Kind: "raid", UUID: sb.UUID.String(), Nodes: nodes(sb)}
		note(&out.Problems, format, args...)
		for _, m := range all {
			out.Bases = append(out.Bases, m)
		}
		return out
	}
	var ok bool
	sb.Level, sb.Layout, ok = v.now.shape()
	switch {
	case s.attributes&^imsmAttributes != 0:
		return refuse("its IMSM metadata use what is not known (attributes 0x%x)", s.attributes&^imsmAttributes)
	case v.migrating && (v.migration == imsmMigrGeneral || v.migration == imsmMigrState):
		return refuse("it is being changed to another shape, which only its driver can go on with")
	case !ok:
		return refuse("RAID level %d with %d disks of IMSM cannot be opened", v.now.level, len(v.now.order))
	}
	if sb.Level != 1 {
		sb.Chunk = v.now.strip
	}
	size := v.member(sb.Level)
	if sb.Level > 0 {
		sb.Size = size
	}
	c.dirty = v.dirty || v.now.state == 1 || v.migrating && v.migration != imsmMigrRebuild
	for role, ord := range v.now.order {
		if m := disks[int(ord&0xffffff)]; m != nil {
			state := StateActive
			if ord&imsmRebuild != 0 || v.migrating && role < len(v.before.order) && v.before.order[role]&imsmRebuild != 0 {
				state = StateRebuilding
			}
			c.places = append(c.places, place{role, m, v.now.offset, size, state, uint64(s.generation)})
		}
	}
	assumed := !sure && sb.Level != 1
	if assumed {
		if len(c.places) < len(v.now.order) {
			return refuse("%d of its %d disks are missing, and which they are is not known without the serial numbers", len(v.now.order)-len(c.places), len(v.now.order))
		}
		c.swap()
	}
	out := c.volume(env)
	if assumed && out.Array != nil {
		note(&out.Problems, "its disks are taken in the order in which they are given, as images have no serial numbers")
	}
	return out
}

// swap exchanges the disks of an array of two if only the second begins with what a boot
// sector ends with: the array's first chunk is on its first disk.
func (c *contained) swap() {
	boot := func(p place) bool {
		b := make([]byte, 2)
		_, err := p.member.R.ReadAt(b, p.offset+510)
		return (err == nil || err == io.EOF) && b[0] == 0x55 && b[1] == 0xaa
	}
	if len(c.places) == 2 && !boot(c.places[0]) && boot(c.places[1]) {
		c.places[0].member, c.places[1].member = c.places[1].member, c.places[0].member
	}
}
