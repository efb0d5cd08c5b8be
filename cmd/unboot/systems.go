package main

import (
	"cmp"
	"fmt"

	"github.com/unboot/unboot"
	"github.com/unboot/unboot/inspect"
	"github.com/unboot/unboot/inspect/registry"
)

// Bounds on what is looked at to help with a choice.
const (
	maxSystems    = 32
	maxSubvolumes = 32 // of each btrfs
)

// systems returns what operating system each of the devices holds, for people. What
// cannot be mounted, or holds none, is left out.
func systems(img *unboot.Image, devices []*unboot.Device) map[*unboot.Device]string {
	found := map[*unboot.Device]string{}
	for _, d := range devices[:min(len(devices), maxSystems)] {
		f, err := img.Mount(d.Name, unboot.ReadOnly())
		if err != nil {
			continue
		}
		if s := systemIn(f); s != "" {
			found[d] = s
		} else if d.Content != nil && d.Content.Type == "btrfs" {
			found[d] = systemBelow(f, d)
		}
		f.Unmount() // nothing was written, and the error is already another one
	}
	return found
}

// systemIn returns the name of the operating system in a tree, or "".
func systemIn(f *unboot.FS) string {
	in := inspect.Inspector{OpenHive: registry.Open}
	s, err := in.Tree(f)
	if err != nil {
		return ""
	}
	name := cmp.Or(s.Product, s.Distro, string(s.Type))
	if s.Format == inspect.Installer {
		name += " (installation media)"
	}
	return name
}

// systemBelow looks for the subvolume of a btrfs that has an operating system, by a name of
// the user's.
func systemBelow(f *unboot.FS, d *unboot.Device) (system string) {
	n := 0
	for e, err := range f.Entries(".", nil) {
		if n++; err != nil || n > maxSubvolumes {
			break
		}
		sub, err := f.Sub(e.Name())
		if err != nil {
			continue
		}
		if tree, ok := sub.(*unboot.FS); ok {
			system = systemIn(tree)
		}
		if system != "" {
			return fmt.Sprintf("%s, by -m %s", system, quote(d.Name+":/:subvol="+e.Name()))
		}
	}
	return ""
}
