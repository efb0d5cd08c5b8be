package md

import (
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"github.com/unboot/unboot/volume"
	"github.com/unboot/unboot/volume/probe"
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
	disks, sure, surplus := newest.identify(present)
	var volumes []*volume.Volume
	for i := range newest.volumes {
		volumes = append(volumes, newest.plan(i, disks, sure, surplus, all, env)...)
	}
	return volumes
}

// identify finds out which device is which disk. Disks are identified by their serial
// numbers, which images do not have. What is left are their sizes, that the content of each
// volume begins on its first disk, and the order in which they are given. sure says that
// the order did not have to be relied on. surplus is how many devices could be a disk for
// which there is another device: some are copies of others.
func (s *imsmSuper) identify(present []*volume.Member) (disks map[int]*volume.Member, sure bool, surplus int) {
	disks = map[int]*volume.Member{}
	left := slices.Clone(present)
	fits := func(i int, m *volume.Member) bool {
		d := s.disks[i]
		return d.status&imsmFailed == 0 && d.size-m.Size < 1<<20 && m.Size-d.size < 1<<20
	}
	take := func(i, n int) {
		disks[i] = left[n]
		left = slices.Delete(left, n, n+1)
	}
	for i := range s.volumes {
		if first, m := s.first(&s.volumes[i], left); m != nil && disks[first] == nil && fits(first, m) {
			take(first, slices.Index(left, m))
		}
	}
	sure = true
	for i := range s.disks {
		if disks[i] != nil {
			continue
		}
		n := slices.IndexFunc(left, func(m *volume.Member) bool { return fits(i, m) })
		if n < 0 {
			continue
		}
		for j := range s.disks {
			sure = sure && (j == i || disks[j] != nil || !fits(j, left[n]))
		}
		take(i, n)
	}
	for _, m := range left {
		if slices.ContainsFunc(slices.Collect(maps.Keys(disks)), func(i int) bool { return fits(i, m) }) {
			surplus++
			continue
		}
		note(&m.Problems, "%s: none of the disks in its IMSM metadata has its size", m.Name)
	}
	return disks, sure, surplus
}

// first returns the number of the disk on which a volume begins, and the device of which
// alone something is recognized there, or nil.
func (s *imsmSuper) first(v *imsmVolume, devices []*volume.Member) (number int, found *volume.Member) {
	if len(v.now.order) == 0 {
		return 0, nil
	}
	number = int(v.now.order[0] & imsmNumber)
	if number >= len(s.disks) {
		return 0, nil
	}
	for _, m := range devices {
		if v.now.offset > m.Size {
			continue
		}
		r := io.NewSectionReader(m.R, v.now.offset, m.Size-v.now.offset)
		boot := make([]byte, 512)
		_, err := r.ReadAt(boot, 0)
		info, probeErr := probe.Partition(r, min(r.Size(), v.now.strip))
		if err == nil && boot[510] == 0x55 && boot[511] == 0xaa || probeErr == nil && info.Type != "" {
			if found != nil {
				return 0, nil
			}
			found = m
		}
	}
	return number, found
}

// plan plans one volume.
func (s *imsmSuper) plan(number int, disks map[int]*volume.Member, sure bool, surplus int, all []*volume.Member, env *volume.Env) []*volume.Volume {
	v := &s.volumes[number]
	var words [8]byte
	binary.LittleEndian.PutUint32(words[:], s.family)
	binary.LittleEndian.PutUint32(words[4:], uint32(number))
	c := &contained{all: all, sb: Superblock{
		Container: "imsm", Name: name(v.raw), Events: uint64(s.generation), RaidDisks: len(v.now.order),
		UUID: digest([]byte(imsmSignature), words[:4], words[4:], v.raw),
	}}
	sb := &c.sb
	refuse := func(format string, args ...any) []*volume.Volume {
		out := &volume.Volume{Kind: "raid", UUID: sb.UUID.String(), Nodes: nodes(sb)}
		note(&out.Problems, format, args...)
		for _, m := range all {
			out.Bases = append(out.Bases, m)
		}
		return []*volume.Volume{out}
	}
	var ok bool
	sb.Level, sb.Layout, ok = v.now.shape()
	switch {
	case s.attributes&^imsmAttributes != 0:
		return refuse("its IMSM metadata use what is not known (attributes 0x%x)", s.attributes&^imsmAttributes)
	case v.migrating && (v.migration == imsmMigrGeneral || v.migration == imsmMigrState):
		return refuse("it is being changed to another shape, which only its driver can go on with")
	case surplus > 0:
		return refuse("there are %d devices more than its IMSM metadata have disks of their size, and which are copies of others is not known", surplus)
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
		if m := disks[int(ord&imsmNumber)]; m != nil {
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
	}
	out := c.volumes(env, len(s.volumes) > 1)
	if v := out[len(out)-1]; assumed && v.Array != nil {
		note(&v.Problems, "its disks are taken in the order in which they are given, as images have no serial numbers")
	}
	return out
}
