package inspect

import "cmp"

// mergeUsr completes a root whose /usr is a file system of its own: that is where
// os-release is, and most of the programs.
func (m *machine) mergeUsr(r *Root, u *unit) {
	if r.Type != Linux || u.role != rootRole {
		return
	}
	device := r.Mountpoints()["/usr"]
	for _, usr := range m.units {
		if usr.role == usrOnly && device != "" && m.same(usr, device) {
			r.System.merge(usr.system)
			return
		}
	}
	if r.Distro != "coreos" || r.Version != "" || device != "" {
		return
	}
	// CoreOS has two, one in use and one for the next version; its boot loader
	// knows which, and it is the newer one unless that failed to boot.
	var newest *unit
	for _, usr := range m.units {
		if usr.role != usrOnly || usr.system.Distro != "coreos" {
			continue
		}
		if newest == nil || cmp.Or(usr.system.Major-newest.system.Major, usr.system.Minor-newest.system.Minor) > 0 {
			newest = usr
		}
	}
	if newest != nil {
		r.System.merge(newest.system)
		r.Mounts = append(r.Mounts, Mount{Dir: "/usr", Device: newest.mountable()})
		r.add(newest.mountable())
	}
}

// same reports whether a unit is what a mountable names.
func (m *machine) same(u *unit, mountable string) bool {
	if u.mountable() == mountable {
		return true
	}
	for _, s := range m.subvolumes[u.device.Name] {
		if s.Default && u.sub == nil && Mountable(u.device.Name, s.Path) == mountable {
			return true
		}
	}
	return false
}

// merge takes what s lacks from the system's other part.
func (s *System) merge(usr *System) {
	if s.Distro == "" || s.Version == "" && s.Distro == usr.Distro {
		s.Distro, s.ID, s.Like = usr.Distro, usr.ID, usr.Like
		s.Product, s.Version, s.Major, s.Minor = usr.Product, usr.Version, usr.Major, usr.Minor
		if s.PackageFormat == "" {
			s.PackageFormat, s.PackageManagement = usr.PackageFormat, usr.PackageManagement
		}
	}
	for _, f := range []struct{ to, from *string }{
		{&s.Variant, &usr.Variant}, {&s.Codename, &usr.Codename}, {&s.BuildID, &usr.BuildID},
		{&s.Product, &usr.Product}, {&s.Arch, &usr.Arch},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
	if len(s.Kernels) == 0 {
		s.Kernels = usr.Kernels
	}
}
