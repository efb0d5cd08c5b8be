package main

import (
	"cmp"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/registry"
)

// inspector finds everything about operating systems. That of Windows is in its registry,
// which package inspect reads only with OpenHive set.
var inspector = inspect.Inspector{OpenHive: registry.Open}

// systems returns the names of the operating systems on each device, to help with a choice
// between them. File systems that cannot be mounted are left out without an error: the
// caller is about to report one already, and their list stands in it.
func systems(img *unboot.Image) map[*unboot.Device]string {
	in, _ := img.Inspect(inspector.Image, unboot.ReadOnly())
	defer in.Close()
	found := map[*unboot.Device]string{}
	for _, r := range in.Roots {
		d, option := mountable(img, r.Device)
		if d == nil {
			continue
		}
		s := systemName(r.System)
		if option != "" {
			s += ", by -m " + quote(d.Name+":/:"+option)
		}
		// A btrfs can hold several systems, in subvolumes.
		if found[d] != "" {
			s = found[d] + "; " + s
		}
		found[d] = s
	}
	return found
}

// systemName returns the name of a system, the most specific that is known.
func systemName(s *inspect.System) string {
	name := cmp.Or(s.Product, s.Distro, string(s.Type))
	if s.Format == inspect.Installer {
		name += " (installation media)"
	}
	return name
}

// mountable returns the device that inspection names, and the mount option for its subvolume
// if it names one; nil if the image does not have it.
func mountable(img *unboot.Image, name string) (d *unboot.Device, option string) {
	device, subvolume := inspect.ParseMountable(name, func(name string) bool {
		d, err := img.Device(name)
		return err == nil && d.Name == name
	})
	d, err := img.Device(device)
	if err != nil {
		return nil, ""
	}
	if subvolume != "" {
		option = "subvol=" + subvolume
	}
	return d, option
}
