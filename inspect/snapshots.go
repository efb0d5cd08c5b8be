package inspect

import (
	"slices"
	"strings"

	"github.com/unboot/unboot/inspect/fstab"
)

// maxGenerations bounds how many snapshots of snapshots are followed.
const maxGenerations = 64

// dropSnapshots drops the roots that are copies of other roots, as snapper and Timeshift
// make them. Of a family of snapshots one stays, which is the one in use as far as the
// file system tells: the default subvolume, or else the one that its own fstab mounts on
// /, or else the ancestor of them all.
//
// A root that came here by btrfs-send(8) has no ancestor. If its fstab mounts another
// subvolume on /, and there is a root in that, it is a copy as well.
func (m *machine) dropSnapshots() {
	families := map[string][]*unit{}
	var order []string
	for _, u := range m.units {
		if u.role != rootRole || u.device.Type != "btrfs" {
			continue
		}
		f := m.family(u)
		if families[f] == nil {
			order = append(order, f)
		}
		families[f] = append(families[f], u)
	}
	drop := map[*unit]bool{}
	for _, f := range order {
		keep := m.inUse(families[f])
		for _, u := range families[f] {
			drop[u] = u != keep
		}
	}
	for _, u := range m.units {
		drop[u] = drop[u] || m.isCopy(u, drop)
	}
	m.units = slices.DeleteFunc(m.units, func(u *unit) bool { return drop[u] })
}

// inUse returns the one of a family of snapshots that boots.
func (m *machine) inUse(family []*unit) *unit {
	keep := family[0]
	for _, u := range family {
		if u.sub == nil {
			return u
		}
	}
	for _, u := range family {
		if m.mountsItself(u) {
			return u
		}
	}
	for _, u := range family {
		if s := m.subvolume(u); s != nil && s.ParentUUID == "" {
			keep = u
		}
	}
	return keep
}

// isCopy reports whether a root says that another one, which is not dropped, is what
// boots.
func (m *machine) isCopy(u *unit, dropped map[*unit]bool) bool {
	e := u.rootEntry()
	if u.role != rootRole || u.sub == nil || e == nil || !e.HasSubvolume() || m.mountsItself(u) {
		return false
	}
	return slices.ContainsFunc(m.units, func(o *unit) bool {
		return o != u && !dropped[o] && o.role == rootRole && o.device == u.device && names(e, m.subvolume(o))
	})
}

// mountsItself reports whether a root's fstab mounts the subvolume that it is in on /.
func (m *machine) mountsItself(u *unit) bool {
	e := u.rootEntry()
	return e != nil && e.HasSubvolume() && names(e, m.subvolume(u))
}

// names reports whether an entry of an fstab mounts a subvolume, which may be nil for
// the top level. The path counts before the number, as a roll-back changes the number.
func names(e *fstab.Entry, s *Subvolume) bool {
	if s == nil {
		s = &Subvolume{ID: topLevel, Path: "/"}
	}
	name := e.Subvolume()
	if !strings.HasPrefix(name, "id:") {
		return name == s.Path
	}
	id, _ := e.SubvolumeID()
	return id == s.ID
}

// rootEntry returns the entry of / in a root's fstab, or nil.
func (u *unit) rootEntry() *fstab.Entry {
	i := slices.IndexFunc(u.fstab, func(e fstab.Entry) bool { return e.IsRoot() })
	if i < 0 {
		return nil
	}
	return &u.fstab[i]
}

// subvolume returns the subvolume that a unit is, or nil for the top level.
func (m *machine) subvolume(u *unit) *Subvolume {
	if u.sub != nil {
		return u.sub
	}
	list := m.subvolumes[u.device.Name]
	for i := range list {
		if list[i].Default {
			return &list[i]
		}
	}
	return nil
}

// family returns what a root on a btrfs has in common with its snapshots, and with nothing
// else.
func (m *machine) family(u *unit) string {
	return u.device.Name + "\x00" + m.ancestor(u.device, m.subvolume(u))
}

// ancestor returns the UUID of what a subvolume is a snapshot of, in the end, or "" for the
// top level. Where one in between has been deleted, it is that one's.
func (m *machine) ancestor(d *Device, s *Subvolume) string {
	switch {
	case s == nil:
		return ""
	case s.UUID == "":
		return "path:" + s.Path
	}
	uuid := s.UUID
	for range maxGenerations {
		parent := m.parents[d.Name][uuid]
		if parent == "" {
			break
		}
		uuid = parent
	}
	return uuid
}
