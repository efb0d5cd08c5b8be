package inspect

import "slices"

// maxGenerations bounds how many snapshots of snapshots are followed.
const maxGenerations = 64

// dropSnapshots drops the roots that are snapshots of other roots, as snapper makes
// them. Of a family the one in use stays: the default subvolume; or else the ancestor.
func (m *machine) dropSnapshots() {
	families := map[string][]*unit{}
	var order []string
	for _, u := range m.units {
		if u.role != rootRole || u.device.Type != "btrfs" {
			continue
		}
		f := u.device.Name + "\x00" + m.ancestor(u)
		if families[f] == nil {
			order = append(order, f)
		}
		families[f] = append(families[f], u)
	}
	drop := map[*unit]bool{}
	for _, f := range order {
		family := families[f]
		keep := family[0]
		for _, u := range family {
			s := m.subvolume(u)
			if u.sub == nil {
				keep = u
				break
			}
			if s != nil && s.ParentUUID == "" {
				keep = u
			}
		}
		for _, u := range family {
			drop[u] = u != keep
		}
	}
	m.units = slices.DeleteFunc(m.units, func(u *unit) bool { return drop[u] })
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

// ancestor returns the UUID of what a unit is a snapshot of, in the end. Where one in
// between has been deleted, it is that one's.
func (m *machine) ancestor(u *unit) string {
	s := m.subvolume(u)
	if s == nil {
		return ""
	}
	if s.UUID == "" {
		return "path:" + s.Path
	}
	list := m.subvolumes[u.device.Name]
	uuid := s.UUID
	for range maxGenerations {
		i := slices.IndexFunc(list, func(s Subvolume) bool { return s.UUID == uuid })
		if i < 0 || list[i].ParentUUID == "" {
			break
		}
		uuid = list[i].ParentUUID
	}
	return uuid
}
