package md

import (
	"crypto/sha1"
	"fmt"
	"slices"
	"strings"

	"github.com/unboot/unboot/volume"
)

// A contained array is one that the metadata of a container describe.
type contained struct {
	sb     Superblock // what is the same for all members
	dirty  bool
	places []place
	all    []*volume.Member // of the container, for an array without members
}

// A place is one of an array's, with the device that fills it.
type place struct {
	role         int
	member       *volume.Member
	offset, size int64 // of its data, in bytes
	state        string
	events       uint64
}

// volumes plans a contained array. If others lie on its disks too, it gets parts of them as
// devices: the kernel lets no two arrays have the same disk, unless somebody writes their
// metadata for it.
func (c *contained) volumes(env *volume.Env, shared bool) []*volume.Volume {
	v := c.volume(env)
	if !shared || v.Array == nil {
		return []*volume.Volume{v}
	}
	var list []*volume.Volume
	for i := range v.Array.Slots {
		s := &v.Array.Slots[i]
		part := &volume.Volume{
			Kind: "dm", Name: fmt.Sprintf("%s-%x-%d", c.sb.Container, c.sb.UUID[:8], s.Role),
			UUID: fmt.Sprintf("MD-%s-%x-%d", strings.ToUpper(c.sb.Container), c.sb.UUID[:], s.Role),
			Size: s.Size, Hidden: true,
			Table: []volume.Target{{
				Length: s.Size / volume.SectorSize, Type: "linear",
				Params: fmt.Sprintf("@ %d", s.Offset/volume.SectorSize), Devices: []volume.Base{s.Base},
			}},
		}
		s.Base, s.Offset = part, 0
		list = append(list, part)
	}
	return append(list, v)
}

// volume plans a contained array that has its disks for itself.
func (c *contained) volume(env *volume.Env) *volume.Volume {
	c.sb.Major, c.sb.Minor, c.sb.RecoveryOffset, c.sb.ResyncOffset, c.sb.PreferredMinor = -1, -1, -1, -1, -1
	if c.dirty {
		c.sb.ResyncOffset = 0
	}
	a := &Array{Superblock: &c.sb}
	v := &volume.Volume{Kind: LevelName(c.sb.Level), UUID: c.sb.UUID.String(), Nodes: nodes(&c.sb), Info: a}
	for i := range c.sb.RaidDisks {
		c.sb.Roles = append(c.sb.Roles, i)
	}
	for _, p := range c.places {
		sb := c.sb
		sb.Number, sb.DataOffset, sb.DataSize, sb.Events = p.role, p.offset, p.size, p.events
		d := Device{Member: p.member, Superblock: &sb, Role: p.role, State: p.state}
		if p.offset < 0 || p.size <= 0 || p.offset > p.member.Size || p.size > p.member.Size-p.offset || c.sb.Level > 0 && p.size < c.sb.Size {
			d.State = StateRefused
			note(&p.member.Problems, "%s: it is smaller than the metadata of its array say", p.member.Name)
		}
		a.Devices = append(a.Devices, d)
	}
	clones := a.settle()
	slices.SortStableFunc(a.Devices, byRank)
	a.count()
	a.finish(v, env, clones)
	if v.Array == nil && len(v.Bases) == 0 {
		for _, m := range c.all {
			v.Bases = append(v.Bases, m)
		}
	}
	return v
}

// digest makes the UUID that mdadm gives to what has none: the start of a SHA-1 of its
// names, which it prints as words of a little-endian machine.
func digest(parts ...[]byte) UUID {
	h := sha1.New()
	for _, p := range parts {
		h.Write(p)
	}
	u := UUID(h.Sum(nil)[:16])
	for i := 0; i < len(u); i += 4 {
		slices.Reverse(u[i : i+4])
	}
	return u
}
